"""Floor 2: shells in an overlay that somebody has left behind: one mount of it, many shells.

An overlay must not be mounted twice with one upper folder. So the first shell starts a keeper, a
process that mounts it and then only waits; every shell, the first too, joins the keeper's
namespaces. Shells hold the environment's lock together, shared. The keeper waits for it alone:
when the kernel grants it, the last shell has gone, however it went, and the keeper ends
everything inside. Whoever comes meanwhile waits for the lock, and starts a new keeper.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from farm.base.errors import CommandError, InputError, PlaceError, WaitTimeout
from farm.base.files import locked
from farm.base.relay import Terminal, converse, is_talking
from farm.base.run import run
from farm.place.namespace import join_argv
from farm.place.overlay import Overlay, lock_of, rights_of, variables_of

_PATIENCE = timedelta(seconds=20)
_START = timedelta(minutes=1)
_RESOLVER = Path("/etc/resolv.conf")

# pts(4); TIOCSPTLCK and TIOCGPTPEER of ioctl_tty(2), which Python does not know.
_MULTIPLEXER = os.makedev(5, 2)
_UNLOCK, _OPEN_PEER = 0x40045431, 0x5441

# Says which process there is to join; starts the keeper if there is none. Runs under a lock.
# Words: the keeper's script, and its words.
_FIND = """
keeper=$1
shift
if flock --nonblock keeper.lock rm -f joined; then
    sh -c "$keeper" keeper "$@" 2>keeper.log | {
        read -r outer && read -r ready || exit
        read -r first < "/proc/$outer/task/$outer/children"
        read -r inside < "/proc/$first/task/$first/children"
        echo "$inside" > joined.new
        mv joined.new joined
    }
fi
cat joined || { cat keeper.log >&2; exit 1; }
"""
# Goes on in the background. Words: the environment's lock, and the command that enters it.
_KEEPER = """
exec 8>>keeper.lock 9<"$1"
shift
flock --nonblock 8 || exit
{
    "$@" 9<&- &
    echo $!
    exec 8>&- >/dev/null
    flock 9
    kill -9 $(cat "/proc/$!/task/$!/children") || kill -9 $!
    wait
} &
"""
# What is joined: it has no file of the host open but its log.
_INSIDE = "exec 8>&-; echo ready; exec sleep infinity >/dev/null"


@dataclass(frozen=True)
class Visit:
    """How somebody goes in.

    :param directory: where to begin.
    :param env: added to the few variables that every command gets.
    :param network: use the host's network, its own services included.
    """

    user: str = "root"
    directory: str = "/"
    env: Mapping[str, str] = field(default_factory=dict)
    network: bool = False


class Session:
    """Goes into an overlay that is in use by nobody else than other sessions.

    :param overlay: which was made before, and left.
    """

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self._folder = overlay.folder

    def run(self, argv: Sequence[str], visit: Visit) -> int:
        """Run a command on the user's terminal; gives its exit status.

        :raises InputError: when the environment has been removed.
        :raises PlaceError: when it cannot be entered.
        """
        with self._joined() as pid:
            if visit.network:
                self._provide_resolver(pid)
            return converse(
                self._argv(pid, argv, visit), cwd=self._folder,
                open_terminal=lambda: _terminal_of(pid),
            )  # fmt: skip

    @contextlib.contextmanager
    def _joined(self) -> Iterator[int]:
        """Hold the lock, and give the process whose namespaces are to be joined."""
        name = self._folder.name
        try:
            with locked(lock_of(self._folder), timeout=_PATIENCE, shared=True,
                        what=f"the environment {name}"):  # fmt: skip
                if not self._folder.is_dir():
                    lock_of(self._folder).unlink(missing_ok=True)
                    raise InputError(f"The environment {name} has just been removed.")
                yield self._find()
        except WaitTimeout as error:
            raise PlaceError(
                f"The environment {name} is being removed, or somebody else works in it.",
                hint="Try again in a moment.",
            ) from error

    def _find(self) -> int:
        inside = self._overlay.argv(["sh", "-c", _INSIDE], caller=0)
        lock = f"../{lock_of(self._folder).name}"
        words = [
            "flock",
            "--close",
            "start.lock",
            "sh",
            "-c",
            _FIND,
            "find",
            _KEEPER,
            lock,
            *inside,
        ]
        try:
            found = run(words, timeout=_START, cwd=self._folder, shown=["find", "the", "keeper"])
            return int(found.stdout)
        except (CommandError, ValueError) as error:
            details = error.details if isinstance(error, CommandError) else ""
            raise PlaceError(
                f"The environment {self._folder.name} cannot be entered.", details=details
            ) from error

    def _argv(self, pid: int, argv: Sequence[str], visit: Visit) -> list[str]:
        words = join_argv(
            pid, network=visit.network, directory=visit.directory,
            terminal=int(is_talking()), **rights_of(visit.user),
        )  # fmt: skip
        variables = variables_of(visit.user, visit.env)
        return [*words, "--", *(f"{name}={value}" for name, value in variables.items()),
                "--", *argv]  # fmt: skip

    def _provide_resolver(self, pid: int) -> None:
        """Let names be found as the host finds them: resolv.conf(5)."""
        if not _RESOLVER.exists():
            return
        words = ["sh", "-c", 'rm -f "$1" && cat > "$1"', "provide", str(_RESOLVER)]
        run(self._argv(pid, words, Visit()), cwd=self._folder, timeout=_START,
            input=_RESOLVER.read_text())  # fmt: skip


def _terminal_of(pid: int) -> Terminal:
    """Make a pseudo terminal that belongs to the sandbox, so that programs there find it.

    :raises PlaceError: when the sandbox has something else in its place.
    """
    flags = os.O_NOFOLLOW | os.O_CLOEXEC
    where = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in ("dev", "pts"):
            where, outer = os.open(part, flags | os.O_PATH | os.O_DIRECTORY, dir_fd=where), where
            os.close(outer)
        master = os.open("ptmx", flags | os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK, dir_fd=where)
    except OSError as error:
        raise PlaceError(f"The environment gives no pseudo terminal: {error.strerror}.") from error
    finally:
        os.close(where)
    if os.fstat(master).st_rdev != _MULTIPLEXER:
        os.close(master)
        raise PlaceError("The environment gives no pseudo terminal, but something else.")
    fcntl.ioctl(master, _UNLOCK, struct.pack("i", 0))
    return master, fcntl.ioctl(master, _OPEN_PEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
