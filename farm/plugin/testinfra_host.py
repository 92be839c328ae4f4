"""Floor 6: testinfra's ``host``, whose commands run in a place of the farm."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from farm.base.errors import InputError
from farm.place.protocol import Place

# sudo and su are no part of a minimal Debian, runuser(1) is; it leaves the environment alone.
_AS_USER = 'HOME="$(getent passwd %s | cut -d: -f6)" USER=%s LOGNAME=%s '
_AS_USER += "runuser -u %s -- /bin/sh -c %s"


def host_in(place: Place, *, timeout: timedelta, name: str = "chroot") -> Host:
    """Give testinfra's ``host`` for a place.

    It is a new one each time: testinfra's own cache knows hosts by their name only, and would
    answer for one place with what was true in another.

    :param timeout: of each command; ``host.run(..., timeout=timedelta(...))`` gives another.
    :param name: of the place, in messages.
    """
    return Host(PlaceBackend(place, timeout=timeout, name=name))


class PlaceBackend(BaseBackend):
    """Runs what testinfra asks for as root in a place, through ``/bin/sh``."""

    NAME = "place"

    def __init__(self, place: Place, *, timeout: timedelta, name: str) -> None:
        super().__init__(name)
        self._place = place
        self._timeout = timeout
        self._encoding = "utf-8"  # else testinfra would ask the place's Python

    def __repr__(self) -> str:
        return self.get_pytest_id()

    def run(
        self, command: str, *args: str, timeout: timedelta | None = None, **kwargs: Any
    ) -> CommandResult:
        """Run a command, whatever its exit status.

        :param args: put into ``command`` for each ``%s``, quoted for the shell.
        :raises CommandTimeout: when ``timeout`` is over.
        :raises InputError: for an argument that nobody knows.
        """
        __tracebackhide__ = True
        if kwargs:
            raise InputError(f"host.run() knows no {', '.join(kwargs)}=, only timeout=.")
        line = self.get_command(command, *args)
        result = self._place.run(
            ["/bin/sh", "-c", line], timeout=timeout or self._timeout, ok=None
        )
        return self.result(result.returncode, line.encode(), result.stdout, result.stderr)

    def get_sudo_command(self, command: str, sudo_user: str | None) -> str:
        """Let ``with host.sudo("NAME")`` work in a place that has no sudo."""
        if sudo_user in (None, "root"):
            return command
        user = str(sudo_user)
        return self.quote(_AS_USER, user, user, user, user, command)

    def encode(self, data: str) -> bytes:
        """Give the bytes of an output, for ``stdout_bytes`` and ``host.file(...).content``.

        :raises InputError: when it was no UTF-8 text: its bytes are lost by now.
        """
        if "\N{REPLACEMENT CHARACTER}" in data:
            raise InputError(
                "The bytes of this output are not known, because it is no UTF-8 text.",
                hint="Compare host.file(PATH).sha256sum, or print it through od(1) or base64(1).",
            )
        return data.encode()
