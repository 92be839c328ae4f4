"""Floor 2: user namespaces, in which the farm is root over its own trees and nothing else.

Two mappings, on purpose. The *janitor* sees the invoking user beside the subordinate ids, so it can
hand a folder over, move and remove trees. A *sandbox* sees only subordinate ids: whatever runs
there, even as root and even after an escape from its file system, is nobody on the host.
See user_namespaces(7), subuid(5), unshare(1).
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path

from farm.base.errors import PlaceError
from farm.base.run import Result, run

_JANITOR_ID = "65536"  # above the mapped range, where no file of a chroot belongs to it
_MAPPED = ("--user", "--map-users=auto", "--map-groups=auto", "--setuid=0", "--setgid=0")
_DIE_WITH_CALLER = ("setpriv", "--pdeathsig", "KILL")
_SEPARATE = ("--mount", "--pid", "--fork", "--ipc", "--uts")


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
) -> Result:
    """Run a command that may do anything to the farm's own trees; never anything of theirs.

    :raises PlaceError: when no namespace can be made.
    """
    check_subordinate_ids()
    ids = (f"--map-user={_JANITOR_ID}", f"--map-group={_JANITOR_ID}")
    return run([*_DIE_WITH_CALLER, "unshare", *_MAPPED, *ids, "--", *argv], cwd=cwd, timeout=timeout)


def remove_tree(path: Path) -> None:
    """Remove a tree that subordinate users own parts of; nothing there is fine."""
    if path.is_symlink() or path.exists():
        janitor(["rm", "-rf", "--", f"./{path.name}"], cwd=path.parent)


def sandbox_argv(*, network: bool = False) -> list[str]:
    """Give the words before a command that shall be alone: own ids, mounts, processes, IPC, names.

    The command dies with the caller, and everything that it started dies with it.

    :param network: keep the host's network instead of an own one with nothing but ``lo``.
    """
    check_subordinate_ids()
    net = () if network else ("--net",)
    # unshare's own --kill-child is lost when it changes its ids (prctl(2), PR_SET_PDEATHSIG).
    inner = (*_DIE_WITH_CALLER, "--")
    return [*_DIE_WITH_CALLER, "unshare", *_MAPPED, *_SEPARATE, *net, "--", *inner]
