"""Floor 2: user namespaces, in which the farm is root over its own trees and nothing else.

Two mappings, on purpose. The *janitor* sees the invoking user beside the subordinate ids, so it
can hand a folder over, move and remove trees. A *sandbox* sees only subordinate ids: whatever runs
there, even as root and even after an escape from its file system, is nobody on the host.
See user_namespaces(7), subuid(5), unshare(1).
"""

from __future__ import annotations

import os
import pwd
import select
import signal
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path

from farm.base.companion import descriptor_of
from farm.base.errors import PlaceError
from farm.base.run import Result, run

_JANITOR_ID = "65536"  # above the mapped range, where no file of a chroot belongs to it
_MAPPED = ("unshare", "--user", "--map-users=auto", "--map-groups=auto",
           "--setuid=0", "--setgid=0")  # fmt: skip
_DIE_WITH_CALLER = ("setpriv", "--pdeathsig", "KILL")
_ENTER = Path(__file__).with_name("enter.pl")
_CALLS = ("keyctl", "mount", "pivot_root", "prctl", "sethostname", "setns", "setrlimit", "setsid",
          "umount2", "unshare")  # fmt: skip
_PRINT_CALLS = 'require "syscall.ph"; print join ",", map { "$_=" . &{\\&{"SYS_$_"}} } @ARGV'
_SHORT = timedelta(minutes=1)


@cache
def check_subordinate_ids() -> None:
    """Look whether this user has ranges of subordinate ids.

    :raises PlaceError: when /etc/subuid or /etc/subgid has none.
    """
    name = pwd.getpwuid(os.getuid()).pw_name
    for path in (Path("/etc/subuid"), Path("/etc/subgid")):
        lines = path.read_text().splitlines() if path.exists() else []
        if not any(line.split(":")[0] in (name, str(os.getuid())) for line in lines):
            raise PlaceError(
                f"{path} gives {name} no subordinate ids, so no chroot can be entered.",
                hint="./bootstrap true adds a range; it needs root or sudo for that.",
            )


def janitor(
    argv: Sequence[str | os.PathLike[str]],
    *,
    cwd: Path,
    timeout: timedelta = timedelta(minutes=10),
    ok: Sequence[int] | None = (0,),
) -> Result:
    """Run a command that may do anything to the farm's own trees; never anything of theirs.

    :raises PlaceError: when no namespace can be made.
    """
    check_subordinate_ids()
    ids = (f"--map-user={_JANITOR_ID}", f"--map-group={_JANITOR_ID}")
    return run([*_DIE_WITH_CALLER, *_MAPPED, *ids, "--", *argv], cwd=cwd, timeout=timeout, ok=ok)


def remove_tree(path: Path) -> None:
    """Remove a tree that subordinate users own parts of; nothing there is fine."""
    if path.is_symlink() or path.exists():
        janitor(["rm", "-rf", "--", f"./{path.name}"], cwd=path.parent)


@cache
def _user_namespace() -> int:
    check_subordinate_ids()
    return descriptor_of([*_MAPPED, "--", "cat"], file="ns/user", timeout=_SHORT)


@cache
def _system_calls() -> str:
    """Ask perl, for the numbers differ from one architecture to the other."""
    return run(["perl", "-e", _PRINT_CALLS, *_CALLS], timeout=_SHORT).stdout


def sandbox_argv(**given: str | int) -> list[str]:
    """Give the words before a command that shall be alone: own ids, mounts, processes, network.

    The command dies with the caller, and everything that it started dies with it. All sandboxes of
    one process share a user namespace, which saves half of the time that it takes to enter.

    :param given: what ``enter.pl`` asks for.
    """
    path = f"/proc/{os.getpid()}/fd/{_user_namespace()}"
    return _enter_argv(namespace=path, **given)


def join_argv(pid: int, *, network: bool, **given: str | int) -> list[str]:
    """Give the words before a command that shall be where a process of a sandbox is.

    The command dies with the caller; what it has left behind there stays.

    :param network: use the host's network instead of the sandbox's.
    """
    others = ["mnt", "pid", "ipc", "uts", *([] if network else ["net"])]
    return _enter_argv(
        join=pid, namespace=f"/proc/{pid}/ns/user", others=",".join(others), **given
    )


def _enter_argv(**given: str | int) -> list[str]:
    given.setdefault("caller", os.getpid())
    given["calls"] = _system_calls()
    return ["perl", str(_ENTER), *(f"{name}={value}" for name, value in given.items())]


def end_processes(label: str) -> list[int]:
    """End every process that has a file system of this name mounted; gives back their ids.

    That is what a caller leaves behind who is killed while it starts a sandbox.
    """
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    return [pid for pid in pids if _end_process(pid, f"{label} ")]


def _end_process(pid: int, mount: str) -> bool:
    try:
        process = os.pidfd_open(pid)
    except OSError:  # it has ended
        return False
    try:
        with (Path("/proc") / str(pid) / "mounts").open(errors="replace") as lines:
            if not any(line.startswith(mount) for line in lines):
                return False
        signal.pidfd_send_signal(process, signal.SIGKILL)
        select.select([process], [], [], _SHORT.total_seconds())
    except OSError:  # it has ended, or belongs to somebody else
        return False
    finally:
        os.close(process)
    return True
