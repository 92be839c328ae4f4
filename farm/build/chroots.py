"""Floor 3: the pristine chroot of a target: made once, kept compressed, unpacked for overlays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from farm.base.activity import Tell, tell_nobody
from farm.base.errors import CommandError, FarmFault
from farm.base.files import (
    digest_of,
    locked,
    read_json,
    sha256_of,
    temporary,
    write_json,
)
from farm.base.run import run
from farm.model.layout import Layout
from farm.place.namespace import janitor, remove_tree
from farm.place.overlay import HOME, USER, USER_ID, make_mount_points
from farm.source.archive import Archive

_RECIPE = 1  # raise it when what is in a fresh chroot changes
_MAKE = timedelta(minutes=30)
_UNPACK = timedelta(minutes=10)
_OPEN_TO_ALL = "/tmp"  # noqa: S108 - mmdebstrap works there under ids that may not enter a home

# No service starts in a chroot: see policy-rc.d in the documentation of invoke-rc.d(8).
_NO_SERVICES = 'printf "#!/bin/sh\\nexit 101\\n" > "$1/usr/sbin/policy-rc.d"'
_HOOKS = (
    f'chroot "$1" useradd --uid {USER_ID} --home-dir {HOME} -m --shell /bin/bash {USER}',
    f'{_NO_SERVICES} && chmod 755 "$1/usr/sbin/policy-rc.d"',
    # Nothing of the host stays: no host name, no resolver, no machine id (machine-id(5)).
    ': > "$1/etc/machine-id"; rm -f "$1/etc/resolv.conf" "$1/etc/hostname"',
    'printf "127.0.0.1 localhost farm\\n::1 localhost\\n" > "$1/etc/hosts"',
    'rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/var/log/*.log "$1"/var/log/apt/*',
)


@dataclass(frozen=True)
class Base:
    """A base chroot that is ready for overlays.

    :param key: digest of the archive of its files.
    :param tree: unpacked, on the same file system as the overlays.
    """

    key: str
    tree: Path

    @property
    def status(self) -> Path:
        """Dpkg's status file in it."""
        return self.tree / "var/lib/dpkg/status"


class Chroots:
    """Makes, keeps and unpacks the base chroots of a workspace."""

    def __init__(self, layout: Layout, *, tell: Tell = tell_nobody) -> None:
        self._layout = layout
        self._tell = tell

    def _pointer(self, archive: Archive) -> Path:
        return self._layout.chroots / f"{archive.target}.json"

    def ensure(self, archive: Archive) -> Base:
        """Give the chroot of a target, making or unpacking it when needed.

        :raises FarmFault: when mmdebstrap fails; its last words are in the details.
        """
        pointer = self._pointer(archive)
        base = self._ready(pointer, archive)
        if base:
            return base
        lock = self._layout.locks / f"chroot-{archive.target}.lock"
        with locked(
            lock,
            timeout=_MAKE,
            what=f"the chroot of {archive.target}",
            waiting=lambda: self._tell(f"waiting for the chroot of {archive.target}"),
        ):
            base = self._ready(pointer, archive)
            if base is None:
                key = self._known_key(pointer, archive) or self._make(archive)
                base = self._unpack(key)
        return base

    def renew(self, archive: Archive) -> Base:
        """Make the chroot anew from the archive as it is now."""
        lock = self._layout.locks / f"chroot-{archive.target}.lock"
        with locked(lock, timeout=_MAKE, what=f"the chroot of {archive.target}"):
            return self._unpack(self._make(archive))

    def _recipe(self, archive: Archive) -> str:
        return digest_of([_RECIPE, str(archive.target), archive.sources_list_text(), *_HOOKS])

    def _known_key(self, pointer: Path, archive: Archive) -> str | None:
        if not pointer.exists():
            return None
        record = read_json(pointer)
        present = (self._layout.chroots / f"{record['key']}.tar.zst").exists()
        return (
            str(record["key"]) if present and record["recipe"] == self._recipe(archive) else None
        )

    def _ready(self, pointer: Path, archive: Archive) -> Base | None:
        key = self._known_key(pointer, archive)
        base = Base(key, self._layout.trees / f"base-{key[:24]}") if key else None
        return base if base and base.tree.is_dir() else None

    def _make(self, archive: Archive) -> str:
        self._tell(f"making the chroot of {archive.target}")
        self._layout.chroots.mkdir(parents=True, exist_ok=True)
        with temporary(self._layout.temporary, prefix="chroot-") as folder:
            made = folder / "base.tar.zst"
            hooks = [f"--customize-hook={hook}" for hook in _HOOKS]
            argv = ["mmdebstrap", "--mode=unshare", "--variant=minbase", "--format=tar"]
            argv += [f"--architectures={archive.target.architecture}", "--dpkgopt=force-unsafe-io"]
            argv += ['--aptopt=Acquire::Languages "none"', *hooks]
            argv += [archive.target.distribution, str(folder / "base.tar"), "-"]
            try:
                run(
                    argv,
                    timeout=_MAKE,
                    input=archive.sources_list_text(),
                    cwd=folder,
                    env={"TMPDIR": _OPEN_TO_ALL},
                )
                run(["zstd", "-q", "-T0", "-3", "--rm", "base.tar"], timeout=_UNPACK, cwd=folder)
            except CommandError as error:
                raise FarmFault(
                    f"The chroot of {archive.target} could not be made.",
                    details=error.details, hint="Is the mirror reachable? Try 'farm refresh'.",
                ) from error  # fmt: skip
            key = sha256_of(made)
            made.replace(self._layout.chroots / f"{key}.tar.zst")
        record = {"key": key, "recipe": self._recipe(archive)}
        made_on = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(self._pointer(archive), record | {"made": made_on})
        return key

    def _unpack(self, key: str) -> Base:
        base = Base(key, self._layout.trees / f"base-{key[:24]}")
        if base.tree.is_dir():
            return base
        self._tell("unpacking the chroot")
        half = self._layout.trees / f"{base.tree.name}.half"
        remove_tree(half)
        half.mkdir(parents=True)
        janitor(["chown", "0:0", half.name], cwd=half.parent)
        archive = f"../../store/chroots/{key}.tar.zst"
        janitor(["tar", "-C", half.name, "--zstd", "--exclude=./dev/*", "-xpf", archive],
                cwd=half.parent, timeout=_UNPACK)  # fmt: skip
        make_mount_points(half)
        janitor(["mv", "-T", half.name, base.tree.name], cwd=half.parent)
        return base
