"""Floor 2: a throw-away root file system: layers below, one writable folder on top.

Paths reach the namespace relative to the overlay's own folder. So a workspace may lie in a home
that only its owner may enter, and its path may hold any character, though overlayfs reserves
``:`` and ``,``. See the kernel's Documentation/filesystems/overlayfs.rst (userxattr).
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from farm.base.errors import FarmFault, PlaceError
from farm.base.files import Lock, write_atomically
from farm.base.run import Result, Watch, interact, run
from farm.place.namespace import janitor, remove_tree, sandbox_argv

USER = "farm"
"""The ordinary user that every chroot of the farm has."""

USER_ID = 1000
HOME = f"/home/{USER}"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

BIND_NAMES = ("source", "debs", "lists", "conf", "candidate")
"""What may be bound in, below ``/farm``."""

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_MOUNTS = (
    *(f"/dev/{name} root/dev/{name} none bind 0 0" for name in _DEVICES),
    "devpts root/dev/pts devpts newinstance,ptmxmode=0666,mode=620 0 0",
    "tmpfs root/dev/shm tmpfs nosuid,nodev,mode=1777 0 0",
    "proc root/proc proc nosuid,nodev,noexec 0 0",
)
# One busybox process does all of it, which is what keeps entering cheap. Words: lower layers,
# host name, limit of a file's size in blocks of 512 bytes, folder to start in, command.
_ENTER = """
set -e
mount -t overlay -o "userxattr,lowerdir=$1,upperdir=upper,workdir=work" overlay root
mount -a -T fstab
ip link set lo up 2>/dev/null || true
hostname "$2"
ulimit -c 0
ulimit -f "$3"
cd root
pivot_root . mnt
umount -l /mnt
umask 022
cd "$4"
shift 4
exec /usr/bin/env -i "$@"
"""


@dataclass(frozen=True)
class Bind:
    """A folder of the farm's state shown inside; the sandbox owns none of it, so cannot write."""

    source: Path
    inside: str


class Overlay:
    """A place made of layers, in a folder of its own; see :class:`farm.place.protocol.Place`.

    :param folder: holds ``upper``, ``work``, ``root`` and the lock.
    :param layers: trees, the topmost first, on the same file system below a common state folder.
    """

    def __init__(self, folder: Path, *, layers: Sequence[Path], binds: Sequence[Bind] = ()) -> None:
        self.folder = folder
        self.layers = tuple(layers)
        self.binds = tuple(binds)
        self.hostname = "farm"
        self.file_limit: int | None = None
        self._lock = Lock(folder.with_name(f"{folder.name}.lock"))

    def create(self) -> Overlay:
        """Make the folders and lock them: :func:`sweep` takes those whose owner is gone.

        :raises PlaceError: when they cannot be made.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if not self._lock.try_acquire():
            raise PlaceError(f"The environment {self.folder.name} is in use.")
        self.folder.mkdir(mode=0o755)
        self.folder.chmod(0o755)
        for name in ("upper", "work", "root"):
            (self.folder / name).mkdir()
        janitor(["chown", "0:0", "upper", "work", "root"], cwd=self.folder)
        return self

    def _relative(self, path: Path) -> str:
        text = os.path.relpath(path, self.folder)
        if set(text) & set(':,\\ \t\n"'):
            raise PlaceError(f"{path} holds a character that overlayfs or fstab reserve.")
        return text

    def _prepare(self) -> str:
        binds = [f"{self._relative(b.source)} root{b.inside} none bind 0 0" for b in self.binds]
        write_atomically(self.folder / "fstab", "\n".join([*_MOUNTS, *binds, ""]))
        return ":".join(self._relative(layer) for layer in self.layers)

    def _argv(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        user: str,
        cwd: str,
        env: Mapping[str, str] | None,
        network: bool,
    ) -> list[str | os.PathLike[str]]:
        lower = self._prepare()
        home = "/root" if user == "root" else HOME
        variables = {"PATH": PATH, "HOME": home, "USER": user, "LOGNAME": user, "TZ": "UTC"}
        variables |= {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "SHELL": "/bin/bash"}
        variables |= dict(env or {})
        words = [f"{name}={value}" for name, value in variables.items()]
        blocks = "unlimited" if self.file_limit is None else str(self.file_limit // 512)
        ids = f"{USER_ID}"
        become = [] if user == "root" else ["setpriv", "--reuid", ids, "--regid", ids]
        become += [] if user == "root" else ["--clear-groups", "--"]
        enter = ["busybox", "sh", "-c", _ENTER, "enter", lower, self.hostname, blocks, cwd]
        return [*sandbox_argv(network=network), *enter, *words, *become, *argv]

    def run(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        timeout: timedelta,
        user: str = "root",
        cwd: str = "/",
        env: Mapping[str, str] | None = None,
        input: str | None = None,  # noqa: A002 - the name that subprocess.run uses
        ok: Sequence[int] | None = (0,),
        log: Path | None = None,
        log_limit: int | None = None,
        watch: Watch | None = None,
    ) -> Result:
        """Run a command inside, without a network; see :func:`farm.base.run.run`.

        :param user: ``root`` or :data:`USER`.
        :param env: added to the few variables that every command gets.
        """
        words = self._argv(argv, user=user, cwd=cwd, env=env, network=False)
        return run(
            words, cwd=self.folder, timeout=timeout, input=input, ok=ok, log=log,
            log_limit=log_limit, watch=watch, shown=argv,
        )  # fmt: skip

    def interact(
        self,
        argv: Sequence[str],
        *,
        user: str = "root",
        cwd: str = "/",
        env: Mapping[str, str] | None = None,
        network: bool = False,
    ) -> int:
        """Run a command inside on the user's own terminal."""
        words = self._argv(argv, user=user, cwd=cwd, env=env, network=network)
        return interact(words, cwd=self.folder)

    def copy_out(self, inside: str, to: Path) -> None:
        """Copy one regular file that the sandbox wrote; a link on the way is refused.

        :raises PlaceError: when there is no such regular file.
        """
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        *folders, name = ["upper", *inside.strip("/").split("/")]
        where = os.open(self.folder, flags | os.O_DIRECTORY)
        try:
            for part in folders:
                where, outer = os.open(part, flags | os.O_DIRECTORY, dir_fd=where), where
                os.close(outer)
            descriptor = os.open(name, flags | os.O_NONBLOCK, dir_fd=where)
        except OSError as error:
            raise PlaceError(f"{inside} is not a file that can be taken out.") from error
        finally:
            os.close(where)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise PlaceError(f"{inside} is not a regular file.")
            with to.open("wb") as copy:
                shutil.copyfileobj(stream, copy, 1 << 20)

    def adopt(self, tree: Path) -> None:
        """Move what was written into a tree of its own, to be a layer from now on."""
        tree.parent.mkdir(parents=True, exist_ok=True)
        parent = os.path.relpath(tree.parent, self.folder)
        janitor(["mv", "-T", "--", "upper", f"{parent}/{tree.name}"], cwd=self.folder)

    def leave(self) -> None:
        """Give the lock back and keep the folder: somebody wants to look into it."""
        self._lock.release()

    def remove(self) -> None:
        """Remove the folder and give the lock back."""
        remove_tree(self.folder)
        self._lock.path.unlink(missing_ok=True)
        self._lock.release()


def new_name(prefix: str) -> str:
    """Make up a name for an environment that nobody has."""
    return f"{prefix}-{secrets.token_hex(4)}"


def sweep(envs: Path, *, keep: frozenset[str] = frozenset()) -> list[str]:
    """Remove environments whose owner is gone, but those named; gives back their names."""
    swept = []
    for folder in sorted(envs.iterdir()) if envs.is_dir() else ():
        if not folder.is_dir() or folder.name in keep:
            continue
        lock = Lock(envs / f"{folder.name}.lock")
        if not lock.try_acquire():
            continue
        try:
            remove_tree(folder)
            lock.path.unlink(missing_ok=True)
            swept.append(folder.name)
        finally:
            lock.release()
    return swept


def make_mount_points(tree: Path) -> None:
    """Put into a new root what :class:`Overlay` mounts on; run once, before the tree is a layer.

    :raises FarmFault: when the tree has no /dev.
    """
    if not (tree / "dev").is_dir():
        raise FarmFault(f"{tree} is not a root file system: it has no /dev.")
    janitor(["sh", "-c", 'cd dev && touch "$@"', "touch", *_DEVICES], cwd=tree)
    janitor(["mkdir", "-p", "dev/pts", "dev/shm", "mnt"], cwd=tree)
    janitor(["mkdir", "-p", *(f"farm/{name}" for name in BIND_NAMES)], cwd=tree)
    for link, to in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"),
                     ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2")):  # fmt: skip
        janitor(["ln", "-sfn", to, f"dev/{link}"], cwd=tree)
