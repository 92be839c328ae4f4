"""Floor 2: a machine that is reached by ssh, as a place where commands run.

One connection serves all commands of a process: on an emulated machine, a new one takes a second.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from farm.base.errors import CommandError, FarmError, PlaceError
from farm.base.run import Result, interact, run
from farm.base.waiting import wait_for
from farm.place.overlay import variables_of

_SSH_FAILED = 255  # ssh(1), EXIT STATUS
_SHORT = timedelta(seconds=30)
_TRY = timedelta(seconds=15)


@dataclass(frozen=True)
class Guest:
    """A machine that lets root in with a key; see :class:`farm.place.protocol.Place`.

    :param key: the private key, a file.
    :param known_hosts: a file; the machine's key is remembered there when it is first seen.
    :param control: a folder with a short name, for the socket of the connection: unix(7).
    """

    address: str
    port: int
    key: Path
    known_hosts: Path
    control: Path

    def _ssh(self, *options: str) -> list[str]:
        given = {
            "BatchMode": "yes", "ConnectTimeout": "10", "ControlMaster": "auto",
            "ControlPath": self.control / "%C", "ControlPersist": "60",
            "IdentitiesOnly": "yes", "IdentityFile": self.key, "LogLevel": "ERROR",
            "PasswordAuthentication": "no", "ServerAliveInterval": "15",
            "ServerAliveCountMax": "20", "StrictHostKeyChecking": "accept-new",
            "UserKnownHostsFile": self.known_hosts,
        }  # fmt: skip
        settings = [word for name, value in given.items()
                    for word in ("-o", f'{name}="{value}"')]  # fmt: skip
        return ["ssh", "-F", "none", *settings, "-p", str(self.port), *options,
                f"root@{self.address}"]  # fmt: skip

    def run(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        timeout: timedelta,
        user: str = "root",
        cwd: str = "/",
        env: Mapping[str, str] | None = None,
        input: str | None = None,
        ok: Sequence[int] | None = (0,),
        log: Path | None = None,
    ) -> Result:
        """Run a command on the machine; see :func:`farm.base.run.run`.

        :raises PlaceError: when the machine cannot be reached.
        """
        line = _remote_line(argv, user=user, cwd=cwd, env=env)
        accepted = None if ok is None else (*ok, _SSH_FAILED)
        done = run([*self._ssh("-T"), "--", line], timeout=timeout, input=input, ok=accepted,
                   log=log, shown=argv)  # fmt: skip
        if done.returncode == _SSH_FAILED and (ok is None or _SSH_FAILED not in ok):
            raise PlaceError(
                f"The machine at {self.address}, port {self.port}, does not answer by ssh.",
                details=done.tail,
            )
        return done

    def shell(self, command: Sequence[str]) -> int:
        """Run a command, or a shell, on the user's own terminal; gives its exit status."""
        line = [shlex.join(command)] if command else []
        return interact([*self._ssh("-t"), *line], env={"TERM": os.environ.get("TERM", "dumb")})

    def wait(self, timeout: timedelta) -> None:
        """Wait until the machine lets root in.

        :raises WaitTimeout: when it does not in time.
        """
        what = f"An answer by ssh at {self.address}, port {self.port},"
        wait_for(self._answers, what=what, timeout=timeout)

    def _answers(self) -> bool:
        try:
            self.run(["true"], timeout=_TRY)
        except FarmError:
            return False
        return True

    def hang_up(self) -> None:
        """End the connection, if there is one."""
        with contextlib.suppress(CommandError):
            run([*self._ssh("-O", "exit")], timeout=_SHORT)

    def send(self, files: Sequence[Path], to: str, *, timeout: timedelta) -> None:
        """Copy files of this host into a folder of the machine."""
        settings = self._ssh()
        port = settings.index("-p")
        run(["scp", *settings[1:port], "-P", str(self.port), "-q", "--", *files,
             f"root@{self.address}:{to}/"], timeout=timeout)  # fmt: skip


def _remote_line(
    argv: Sequence[str | os.PathLike[str]],
    *,
    user: str,
    cwd: str,
    env: Mapping[str, str] | None,
) -> str:
    """Write what the login shell of root shall do: there is no other way in than through it."""
    variables = [f"{name}={value}" for name, value in variables_of(user, env).items()]
    words = ["env", "-i", *variables, *(os.fspath(word) for word in argv)]
    if user != "root":
        words = ["runuser", "-u", user, "--", *words]
    return f"cd {shlex.quote(cwd)} && exec {shlex.join(words)}"
