"""Floor 2: a throw-away root file system: layers below, one writable folder on top.

Paths reach the namespace relative to the overlay's own folder. So a workspace may lie in a home
that only its owner may enter, and its path may hold any character, though overlayfs reserves
``:`` and ``,``. See the kernel's Documentation/filesystems/overlayfs.rst (userxattr).
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import signal
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from farm.base.errors import FarmFault, PlaceError
from farm.base.files import Lock
from farm.base.run import Result, Watch, run
from farm.place.namespace import end_processes, janitor, remove_tree, sandbox_argv

USER = "farm"
"""The ordinary user that every chroot of the farm has."""

USER_ID = 1000
HOME = f"/home/{USER}"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

BIND_NAMES = ("source", "debs", "lists", "conf", "candidate")
"""What may be bound in, below ``/farm``."""

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
# What is mounted, where, of which type, with which flags (mount(2)) and options. A pseudo terminal
# belongs to the ordinary user, whoever asks for it, so that a shell of that user can open its own
# by name. Memory that looks like a disk is bounded, for it counts on nobody's share of the disk.
_BIND, _NOSUID, _NODEV, _NOEXEC = 0x1000, 2, 4, 8
_MOUNTS = (
    *(f"/dev/{name} root/dev/{name} none {_BIND}" for name in _DEVICES),
    f"devpts root/dev/pts devpts {_NOSUID | _NOEXEC} "
    f"newinstance,ptmxmode=0666,mode=620,uid={USER_ID},gid=5",
    f"tmpfs root/dev/shm tmpfs {_NOSUID | _NODEV} mode=1777,size=1g",
    f"proc root/proc proc {_NOSUID | _NODEV | _NOEXEC}",
)
# A fork bomb stays below it; 256 threads a core are enough for any compiler.
_PROCESSES = 4096 + 256 * (os.cpu_count() or 1)
_SYNC = timedelta(minutes=10)
_CANNOT_ENTER = -signal.SIGUSR1  # see enter.pl


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

    def __init__(
        self, folder: Path, *, layers: Sequence[Path], binds: Sequence[Bind] = ()
    ) -> None:
        self.folder = folder
        self.layers = tuple(layers)
        self.binds = tuple(binds)
        self.hostname = "farm"
        self.file_limit: int | None = None
        self._lock = Lock(lock_of(folder))

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
        if set(text) & set(":,\\ \t\n"):
            raise PlaceError(f"{path} holds a character that overlayfs reserves.")
        return text

    def _mounts(self) -> str:
        """List what is mounted. What is written needs no disk before it is adopted: volatile."""
        lower = ":".join(self._relative(layer) for layer in self.layers)
        options = f"volatile,userxattr,lowerdir={lower},upperdir=upper,workdir=work"
        binds = [f"{self._relative(b.source)} root{b.inside} none {_BIND}" for b in self.binds]
        return "\n".join([f"{label_of(self.folder)} root overlay 0 {options}", *_MOUNTS, *binds])

    def argv(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        user: str = "root",
        cwd: str = "/",
        env: Mapping[str, str] | None = None,
        caller: int | None = None,
    ) -> list[str | os.PathLike[str]]:
        """Give the words that run a command inside, when started in the overlay's own folder.

        :param caller: the process that will start it; this one when None, and any when 0.
        """
        rights = rights_of(user)
        if self.file_limit is not None:
            rights["filesize"] = self.file_limit
        words = sandbox_argv(
            mounts=self._mounts(), host=self.hostname, directory=cwd,
            caller=os.getpid() if caller is None else caller, **rights,
        )  # fmt: skip
        variables = [f"{name}={value}" for name, value in variables_of(user, env).items()]
        return [*words, "--", *variables, "--", *argv]

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
        log_limit: int | None = None,
        watch: Watch | None = None,
    ) -> Result:
        """Run a command inside, without a network; see :func:`farm.base.run.run`.

        :param user: ``root`` or :data:`USER`.
        :param env: added to the few variables that every command gets.
        """
        words = self.argv(argv, user=user, cwd=cwd, env=env)
        accepted = None if ok is None else (*ok, _CANNOT_ENTER)
        done = run(
            words, cwd=self.folder, timeout=timeout, input=input, ok=accepted, log=log,
            log_limit=log_limit, watch=watch, shown=argv,
        )  # fmt: skip
        if done.returncode == _CANNOT_ENTER:
            raise PlaceError(f"{self.folder.name} cannot be entered.", details=done.tail)
        return done

    def holds(self, directory: str) -> bool:
        """Say whether a folder was made in it."""
        try:
            return (self.folder / "upper" / directory.lstrip("/")).is_dir()
        except OSError:
            return False

    def usage(self) -> int:
        """Give how many bytes on the disk the overlay holds; somebody may be writing meanwhile."""
        # Files that vanish while it looks make du(1) complain, and count nothing.
        done = janitor(["du", "-s", "--block-size=1", "upper"], cwd=self.folder, ok=None)
        size = done.stdout.partition("\t")[0]
        if not size.isdecimal():
            raise PlaceError(f"{self.folder.name} cannot be measured.", details=done.tail)
        return int(size)

    def copy_out(self, inside: str, to: Path, *, limit: int) -> int:
        """Copy one regular file that the sandbox wrote; a link on the way is refused.

        :param limit: in bytes; a larger file is refused.
        :returns: its size.
        :raises PlaceError: when there is no such regular file.
        """
        descriptor = self._open(inside)
        try:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):
                raise PlaceError(f"{inside} is not a regular file.")
            if about.st_size > limit:
                raise PlaceError(f"{inside} has {about.st_size} bytes; {limit} are allowed.")
            with os.fdopen(descriptor, "rb", closefd=False) as stream, to.open("wb") as copy:
                shutil.copyfileobj(stream, copy, 1 << 20)
        finally:
            os.close(descriptor)
        return about.st_size

    def _open(self, inside: str) -> int:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        *folders, name = ["upper", *inside.strip("/").split("/")]
        where = os.open(self.folder, flags | os.O_DIRECTORY)
        try:
            for part in folders:
                where, outer = os.open(part, flags | os.O_DIRECTORY, dir_fd=where), where
                os.close(outer)
            return os.open(name, flags | os.O_NONBLOCK, dir_fd=where)
        except OSError as error:
            why = "it is a link" if error.errno == errno.ELOOP else error.strerror
            raise PlaceError(f"{inside} cannot be taken out: {why}.") from error
        finally:
            os.close(where)

    def adopt(self, tree: Path) -> None:
        """Move what was written into a tree of its own, to be a layer from now on."""
        tree.parent.mkdir(parents=True, exist_ok=True)
        parent = os.path.relpath(tree.parent, self.folder)
        run(["sync", "--file-system", "."], cwd=self.folder, timeout=_SYNC)
        janitor(["mv", "-T", "--", "upper", f"{parent}/{tree.name}"], cwd=self.folder)

    def leave(self) -> None:
        """Give the lock back and keep the folder: somebody wants to look into it."""
        self._lock.release()

    def remove(self) -> None:
        """Remove the folder and give the lock back."""
        remove_tree(self.folder)
        self._lock.path.unlink(missing_ok=True)
        self._lock.release()


def rights_of(user: str) -> dict[str, int]:
    """Give the id of a user inside, and how many processes may be there."""
    return {"user": 0 if user == "root" else USER_ID, "processes": _PROCESSES}


def variables_of(user: str, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the environment variables of a command inside: a few, and those given."""
    home = "/root" if user == "root" else HOME
    variables = {"PATH": PATH, "HOME": home, "USER": user, "LOGNAME": user, "TZ": "UTC"}
    variables |= {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "SHELL": "/bin/bash"}
    return variables | dict(env or {})


def label_of(folder: Path) -> str:
    """Give what an overlay is called among the mounts of its processes."""
    return f"farm-{folder.name}"


def lock_of(folder: Path) -> Path:
    """Give the lock of an overlay: whoever works in it holds it."""
    return folder.with_name(f"{folder.name}.lock")


def new_name(prefix: str) -> str:
    """Make up a name for an environment that nobody has."""
    return f"{prefix}-{secrets.token_hex(4)}"


def sweep(envs: Path, *, is_kept: Callable[[str], bool]) -> list[str]:
    """Remove environments whose owner is gone, and end their processes; gives back their names.

    :param is_kept: says of a name whether it stays; asked again when no owner can change that.
    """
    paths = envs.iterdir() if envs.is_dir() else ()
    names = sorted({path.name.removesuffix(".lock") for path in paths})
    return [name for name in names if not is_kept(name) and _sweep(envs / name, is_kept)]


def _sweep(folder: Path, is_kept: Callable[[str], bool]) -> bool:
    lock = Lock(lock_of(folder))
    if not lock.try_acquire():
        return False
    try:
        if is_kept(folder.name):
            return False
        end_processes(label_of(folder))
        remove_tree(folder)
        lock.path.unlink(missing_ok=True)
    finally:
        lock.release()
    return True


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
