"""Floor 3: layers of installed packages on a base chroot, cached by the exact set.

A layer is what apt wrote when it installed the set. A new set starts from the largest cached layer
that is a part of it, so that two packages with similar needs install the common part once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from farm.base.activity import Tell, tell_nobody
from farm.base.errors import CommandError, InstallFailed
from farm.base.files import digest_of, link_or_copy, locked, read_json, temporary, write_json
from farm.build.aptview import Deb
from farm.build.chroots import Base
from farm.model.layout import Layout
from farm.place.namespace import remove_tree
from farm.place.overlay import Bind, Overlay, new_name

_INSTALL = timedelta(minutes=30)
_DEPTH = 8  # overlayfs takes far more; each layer costs a little at every look-up of a name


@dataclass(frozen=True)
class Choice:
    """A package that apt chose, where it lies and what it contains (``sha256``)."""

    deb: Deb
    path: Path
    sha256: str

    @property
    def identity(self) -> str:
        """Name, version, architecture and content."""
        return f"{self.deb.file_name}={self.sha256}"


@dataclass(frozen=True)
class Layered:
    """A base and the layers on it, topmost first."""

    base: Base
    layers: tuple[Path, ...]
    identities: frozenset[str]

    @property
    def trees(self) -> tuple[Path, ...]:
        """What an overlay takes as its lower folders."""
        return (*self.layers, self.base.tree)


class Layers:
    """The cached layers of a workspace."""

    def __init__(self, layout: Layout, *, tell: Tell = tell_nobody) -> None:
        self._layout = layout
        self._tell = tell

    def find(self, base: Base, choices: Mapping[Deb, Choice]) -> Layered | None:
        """Give a base with exactly these packages installed on it, if it is there already."""
        wanted = frozenset(choice.identity for choice in choices.values())
        return self._read(base, self._record_path(base, wanted))

    def ensure(self, base: Base, choices: Mapping[Deb, Choice]) -> Layered:
        """Give a base with exactly these packages installed on it.

        :raises InstallFailed: when apt cannot install them.
        """
        wanted = frozenset(choice.identity for choice in choices.values())
        if not wanted:
            return Layered(base, (), wanted)
        record = self._record_path(base, wanted)
        found = self._read(base, record)
        if found:
            return found
        lock = self._layout.locks / f"{record.stem}.lock"
        with locked(
            lock,
            timeout=_INSTALL,
            what="installing build dependencies",
            waiting=lambda: self._tell("waiting for build dependencies"),
        ):
            found = self._read(base, record)
            return found or self._install(base, choices, wanted)

    def _record_path(self, base: Base, wanted: frozenset[str]) -> Path:
        key = digest_of([base.key, sorted(wanted)])[:24]
        return self._layout.trees / f"layer-{key}.json"

    def _read(self, base: Base, record: Path) -> Layered | None:
        if not record.exists():
            return None
        known = read_json(record)
        layers = tuple(self._layout.trees / name for name in known["layers"])
        if not all(layer.is_dir() for layer in layers) or not base.tree.is_dir():
            return None
        return Layered(base, layers, frozenset(known["packages"]))

    def _largest_part(self, base: Base, wanted: frozenset[str]) -> Layered:
        best = Layered(base, (), frozenset())
        for record in self._layout.trees.glob("layer-*.json"):
            if read_json(record).get("base") != base.key:
                continue
            found = self._read(base, record)
            if found and len(found.layers) < _DEPTH and found.identities < wanted:
                best = max(best, found, key=lambda each: len(each.identities))
        return best

    def _install(
        self, base: Base, choices: Mapping[Deb, Choice], wanted: frozenset[str]
    ) -> Layered:
        below = self._largest_part(base, wanted)
        fresh = [each for each in choices.values() if each.identity not in below.identities]
        self._tell(f"installing {len(fresh)} build dependencies")
        record = self._record_path(base, wanted)
        tree = record.with_suffix("")
        with temporary(self._layout.temporary, prefix="debs-") as folder:
            folder.chmod(0o755)
            for choice in fresh:
                link_or_copy(choice.path, folder / choice.deb.file_name)
            overlay = Overlay(
                self._layout.environments / new_name("layer"),
                layers=below.trees, binds=[Bind(folder, "/farm/debs")],
            ).create()  # fmt: skip
            try:
                install_files(overlay, [f"/farm/debs/{each.deb.file_name}" for each in fresh])
                remove_tree(tree)  # of a process that was killed before it wrote the record
                overlay.adopt(tree)
            finally:
                overlay.remove()
        layers = (tree, *below.layers)
        names = [layer.name for layer in layers]
        write_json(record, {"base": base.key, "layers": names, "packages": sorted(wanted)})
        return Layered(base, layers, wanted)


def install_files(overlay: Overlay, paths: list[str]) -> None:
    """Install ``.deb`` files that lie inside an overlay, by its own apt, without a network.

    :raises InstallFailed: with the last words of apt.
    """
    argv = ["apt-get", "-q", "-y", "--no-install-recommends", "--allow-downgrades",
            "-o", "Dir::Etc::SourceList=/dev/null", "-o", "Dir::Etc::SourceParts=/dev/null",
            "-o", "APT::Sandbox::User=root", "-o", "Dpkg::Use-Pty=0",
            "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold",
            "install", *paths]  # fmt: skip
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        overlay.run(argv, timeout=_INSTALL, env=env)
    except CommandError as error:
        raise InstallFailed(
            f"{len(paths)} packages could not be installed together.", details=error.details
        ) from error
