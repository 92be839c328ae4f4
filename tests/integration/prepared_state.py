"""State folders that begin with what takes long to make: indexes, a base chroot, layers."""

from __future__ import annotations

import os
from pathlib import Path

from farm.base.errors import CommandError
from farm.place.namespace import janitor

# These never change once they are made, so that state folders may share them.
PREPARED = ("cache/archives", "cache/debs", "cache/resolutions", "cache/trees", "store/chroots")


def link_prepared(source: Path, to: Path) -> None:
    """Give a new state folder what another one has, by hard links where the disk allows it.

    The janitor does it, because parts belong to subordinate users.
    """
    to.mkdir(parents=True, exist_ok=True)
    for name in PREPARED:
        if not (source / name).is_dir():
            continue
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        inside = os.path.relpath(to / name, source)
        try:
            janitor(["cp", "-alT", "--", name, inside], cwd=source)
        except CommandError:  # another file system
            janitor(["rm", "-rf", "--", inside], cwd=source)
            janitor(["cp", "-aT", "--reflink=auto", "--", name, inside], cwd=source)
