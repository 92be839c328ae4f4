"""Floor 4: a GnuPG home and its agent, which never outlives its use."""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import socket
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from farm.base.errors import FarmFault
from farm.base.files import locked
from farm.base.run import Result, run
from farm.base.service import serving
from farm.base.waiting import wait_for

_TIMEOUT = timedelta(seconds=60)
_PATIENCE = timedelta(minutes=5)
_PROMPTLY = timedelta(milliseconds=10)
# unix(7): the name of a socket has at most 107 bytes, of which S.gpg-agent.browser takes some, and
# the agent itself another.
_ROOM = 80
_UNUSABLE = frozenset("reidn")


class Home:
    """A folder with keys, used by one process at a time.

    gpg needs an agent for whatever concerns a secret key, and starts one that stays. Between
    :meth:`opened` and its end there is one; afterwards there is none, also when this process is
    killed, unless it is the user's own.

    :param path: None for the one that gpg uses by itself.
    :param own: whether it belongs to the farm: then the user's options are not read.
    """

    def __init__(self, path: Path | None, *, lock: Path, own: bool) -> None:
        self.path = path
        self.own = own
        self._lock = lock
        self._options: list[str] | None = None

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Have the home for this process alone; may be nested.

        :raises WaitTimeout: when another process does not let go of it.
        """
        if self._options is not None:
            yield
            return
        with contextlib.ExitStack() as stack:
            stack.enter_context(locked(self._lock, timeout=_PATIENCE, what="signing keys"))
            where = stack.enter_context(_reachable(self.path)) if self.path else None
            self._options = ["--homedir", str(where)] if where else []
            spared = not self.own and self._agent_runs()
            if self.own:
                self._end_agent()  # of a process that was killed; it would go any moment
                stack.enter_context(self._agent_beside())
            try:
                yield
            finally:
                if not spared:
                    self._end_agent()
                self._options = None

    def gpg(self, arguments: Sequence[str | Path], *, ok: Sequence[int] | None = (0,)) -> Result:
        """Run gpg without any question to anybody.

        :raises CommandError: with gpg's words, for an exit status that is not ``ok``.
        """
        with self.opened():
            options = ["--batch", "--no-tty", "--yes", *(self._options or [])]
            # The farm's keys have no passphrase; the user's must be unlocked already.
            asking = ["--no-options", "--pinentry-mode", "loopback", "--passphrase", ""]
            options += asking if self.own else ["--pinentry-mode", "error"]
            return run(["gpg", *options, *arguments], timeout=_TIMEOUT, ok=ok)

    @contextlib.contextmanager
    def _agent_beside(self) -> Iterator[None]:
        """Have an agent that ends with this process, however that ends.

        One that gpg starts by itself stays for good. This one looks every few seconds whether the
        command behind ``--daemon`` still runs: see gpg-agent(1).
        """
        argv = ["gpg-agent", *(self._options or []), "--daemon", "--", "sleep", "infinity"]
        with serving(argv, log=Path(os.devnull)):
            wait_for(self._agent_runs, what="The start of gpg's agent", timeout=_TIMEOUT,
                     pause=_PROMPTLY)  # fmt: skip
            yield

    def _agent(self) -> socket.socket | None:
        """Connect to the agent of this home, if there is one."""
        argv = ["gpgconf", *(self._options or []), "--list-dirs", "agent-socket"]
        name = run(argv, timeout=_TIMEOUT).stdout.strip()
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_TIMEOUT.total_seconds())
        try:
            connection.connect(name)
        except OSError:
            connection.close()
            return None
        return connection

    def _agent_runs(self) -> bool:
        connection = self._agent()
        if connection:
            connection.close()
        return connection is not None

    def _end_agent(self) -> None:
        """Tell the agent to end, and wait until it has.

        On its way out it removes its socket by name. An agent that is started meanwhile would lose
        its own, and nobody could reach or end it any more: so ``gpgconf --kill`` does not do.
        """
        connection = self._agent()
        if connection:
            with connection, contextlib.suppress(OSError, ValueError):
                _end(connection)


def _end(connection: socket.socket) -> None:
    """Speak to an agent in its protocol: see ``gpg-connect-agent 'HELP KILLAGENT' /bye``."""
    with connection.makefile("rwb") as stream:
        stream.write(b"GETINFO pid\n")
        stream.flush()
        answer = next((line for line in stream if line.startswith((b"D ", b"ERR"))), b"")
        if not answer.startswith(b"D "):
            return
        process = os.pidfd_open(int(answer[2:]))
        try:
            stream.write(b"KILLAGENT\n")
            stream.flush()
            select.select([process], [], [], _TIMEOUT.total_seconds())
        finally:
            os.close(process)


@contextlib.contextmanager
def _reachable(path: Path) -> Iterator[Path]:
    """Give a name of the folder that is short enough for the agent's sockets."""
    path = path.absolute()
    if len(os.fsencode(path)) <= _ROOM:
        yield path
        return
    name = f"farm-gpg-{os.getuid()}-{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}"
    link = _short_folder(len(name)) / name
    # Its name is fixed, so that what a killed process left is used again and removed by the next.
    with contextlib.suppress(FileExistsError):
        link.symlink_to(path)
    found = link.lstat()
    if found.st_uid != os.getuid() or not link.is_symlink() or link.readlink() != path:
        raise FarmFault(
            f"{link} is in the way: the farm needs that name for a link to its keys.",
            hint="Find out who made it, and remove it.",
        )
    try:
        yield link
    finally:
        link.unlink(missing_ok=True)


def _short_folder(room: int) -> Path:
    for folder in (f"/run/user/{os.getuid()}", tempfile.gettempdir(), "/tmp"):  # noqa: S108
        fits = len(os.fsencode(folder)) + 1 + room <= _ROOM
        if fits and os.access(folder, os.W_OK | os.X_OK):
            return Path(folder)
    raise FarmFault("No folder with a short name can be written, which gpg's agent needs.")


@dataclass(frozen=True)
class Listed:
    """What gpg says about a key with a secret part.

    :param trouble: why it cannot sign, such as ``has been revoked``; empty when it can.
    """

    fingerprint: str
    trouble: str


def read_listing(text: str) -> Listed | None:
    """Read the first key of ``gpg --list-secret-keys --with-colons``.

    The columns are described in the file DETAILS of GnuPG's documentation.
    """
    primary: list[str] = []
    fingerprint = ""
    signs = False
    for line in text.splitlines():
        field = [*line.split(":"), *[""] * 20]
        if field[0] == "sec" and primary:
            break
        if field[0] == "sec":
            primary = field
        if field[0] == "fpr" and primary and not fingerprint:
            fingerprint = field[9]
        if field[0] in ("sec", "ssb"):
            # An upper case letter speaks of the whole key, "#" of a secret kept elsewhere.
            usable = field[1] not in _UNUSABLE and field[14] != "#"
            signs = signs or (usable and "s" in field[11])
    return Listed(fingerprint, _trouble(primary, signs=signs)) if fingerprint else None


def _trouble(primary: Sequence[str], *, signs: bool) -> str:
    if primary[1] == "r":
        return "has been revoked"
    if primary[1] == "e":
        when = primary[6]
        day = f" on {datetime.fromtimestamp(int(when), UTC):%Y-%m-%d}" if when.isdigit() else ""
        return f"expired{day}"
    return "" if signs else "has no secret part that can sign"
