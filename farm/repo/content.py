"""Floor 4: what a repository holds, wherever the files lie and whoever signs it."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from farm.base.errors import AuditFailed, InputError
from farm.base.files import digest_of
from farm.model.artifact import BinaryPackage, Build, SourcePackage, StoredFile
from farm.model.names import check_architecture, check_file, check_package, check_version

SOURCE = "source"
BINARY = "binary"


@dataclass(frozen=True, order=True)
class Piece:
    """One file, under the name that it has in the pool."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True, order=True)
class Entry:
    """One source or binary package of one distribution.

    :param kind: :data:`SOURCE` or :data:`BINARY`.
    :param name: of the source or binary package itself.
    :param architecture: ``source`` for a source package.
    :param pieces: its files; the first is the ``.dsc`` or the ``.deb``.
    :param package: its name in ``farm.toml``, empty where that is not known.
    :param build: the key of the build that it came from, empty where that is not known.
    """

    distribution: str
    kind: str
    name: str
    version: str
    architecture: str
    pieces: tuple[Piece, ...]
    package: str = ""
    build: str = ""

    @property
    def file(self) -> str:
        """The name of the ``.dsc`` or ``.deb``."""
        return self.pieces[0].name

    @property
    def sha256(self) -> str:
        """Of the ``.dsc``, which pins the source's other files, or of the ``.deb``."""
        return self.pieces[0].sha256

    @property
    def size(self) -> int:
        """All its files, in bytes."""
        return sum(piece.size for piece in self.pieces)


@dataclass(frozen=True)
class Part:
    """What one distribution of a repository holds, each package once."""

    distribution: str
    architectures: tuple[str, ...]
    sources: tuple[SourcePackage, ...]
    binaries: tuple[BinaryPackage, ...]


@dataclass(frozen=True)
class Content:
    """Builds that make up a repository, in the order of their names.

    :param workspace: whose they are, for people.
    :raises AuditFailed: when one name, version and architecture has two contents, or a
        distribution would hold two versions of a package.
    """

    workspace: str
    builds: tuple[Build, ...]

    def __post_init__(self) -> None:
        builds = tuple(sorted(self.builds, key=lambda build: (build.name, build.key)))
        object.__setattr__(self, "builds", builds)
        for build in builds:
            _check_names(build)
        _refuse_two_contents(builds)
        _refuse_two_versions(builds)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over what every distribution holds; see :func:`digest_entries`."""
        return digest_entries(self.entries, architectures=self.architectures)

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """Every package of every distribution, sorted."""
        found: dict[tuple[str, str, str, str], Entry] = {}
        for build in self.builds:
            for entry in _entries_of(build):
                key = (entry.distribution, entry.kind, entry.file, entry.sha256)
                found.setdefault(key, entry)
        return tuple(sorted(found.values()))

    @property
    def architectures(self) -> dict[str, tuple[str, ...]]:
        """Distribution to the architectures that were built for."""
        found = defaultdict(set)
        for build in self.builds:
            found[build.target.distribution].add(build.target.architecture)
        return {name: tuple(sorted(found[name])) for name in sorted(found)}

    def per_distribution(self) -> tuple[Part, ...]:
        """Give each distribution's packages: sources and ``Architecture: all`` once."""
        parts = []
        for name, architectures in self.architectures.items():
            mine = [build for build in self.builds if build.target.distribution == name]
            sources = {build.source.dsc.identity: build.source for build in mine}
            binaries = {binary.file.sha256: binary for build in mine for binary in build.binaries}
            parts.append(
                Part(
                    name, architectures,
                    tuple(sorted(sources.values(), key=lambda one: (one.name, one.version))),
                    tuple(sorted(binaries.values(), key=_identity)),
                )
            )  # fmt: skip
        return tuple(parts)


def digest_entries(entries: Iterable[Entry], *, architectures: Mapping[str, Iterable[str]]) -> str:
    """Give the digest of a repository's content, from builds or from published indexes.

    It covers distribution, kind, file name and SHA-256 of every file of every source, of every
    ``.deb``, and which architectures a distribution has; neither paths nor signatures nor dates.
    """
    lines = {
        (entry.distribution, entry.kind, piece.name, piece.sha256)
        for entry in entries
        for piece in entry.pieces
    }
    lines |= {
        (name, "architecture", architecture, "")
        for name, all_of_them in architectures.items()
        for architecture in all_of_them
    }
    return digest_of(sorted(lines))


def deb_name(binary: BinaryPackage) -> str:
    """Give the file name of a ``.deb`` in a pool: the epoch is left out, as dpkg-deb(1) does."""
    version = binary.version.partition(":")[2] or binary.version
    return f"{binary.name}_{version}_{binary.architecture}.deb"


def source_of(binary: BinaryPackage) -> str:
    """Give the name of the source package: Debian Policy 5.6.1."""
    return binary.field("Source").partition(" ")[0] or binary.name


def source_files(source: SourcePackage) -> tuple[StoredFile, ...]:
    """Give the ``.dsc`` of a source, then its other files."""
    others = {one.name: one for one in source.files if one.name != source.dsc.name}
    return (source.dsc, *(others[name] for name in sorted(others)))


def _identity(binary: BinaryPackage) -> tuple[str, str, str]:
    return (binary.name, binary.version, binary.architecture)


def _entries_of(build: Build) -> Iterator[Entry]:
    def entry(kind: str, name: str, version: str, architecture: str, *files: Piece) -> Entry:
        return Entry(
            build.target.distribution, kind, name, version, architecture, files,
            build.package, build.key,
        )  # fmt: skip

    source = build.source
    pieces = [Piece(one.name, one.sha256, one.size) for one in source_files(source)]
    yield entry(SOURCE, source.name, source.version, SOURCE, *pieces)
    for binary in build.binaries:
        piece = Piece(deb_name(binary), binary.file.sha256, binary.file.size)
        yield entry(BINARY, binary.name, binary.version, binary.architecture, piece)


def _check_names(build: Build) -> None:
    """Refuse a name that must not become a path, before it does."""
    try:
        check_package(build.source.name)
        check_version(build.source.version)
        for stored in source_files(build.source):
            check_file(stored.name)
        for binary in build.binaries:
            check_package(binary.name)
            check_package(source_of(binary))
            check_version(binary.version)
            check_architecture(binary.architecture)
    except InputError as error:
        raise AuditFailed(f"{build.name} cannot be published: {error.brief}") from error


def _refuse_two_contents(builds: Iterable[Build]) -> None:
    """Keep to it that one name, version and architecture has one content."""
    seen: dict[str, tuple[str, Build]] = {}
    for build in builds:
        named = [
            (f"The source {source.name} {source.version}", source.dsc.sha256)
            for source in (build.source,)
        ]
        named += [
            (f"The source file {one.name}", one.sha256) for one in source_files(build.source)
        ]
        named += [
            (f"The package {binary.name} {binary.version} {binary.architecture}",
             binary.file.sha256)
            for binary in build.binaries
        ]  # fmt: skip
        for what, sha256 in named:
            known, other = seen.setdefault(what, (sha256, build))
            if known != sha256:
                raise AuditFailed(
                    f"{what} has two contents: one from {other.name}, another from {build.name}.",
                    details=f"{known}  {other.name}\n{sha256}  {build.name}",
                    hint="Raise the version of one of them; a suffix such as +deb12 tells "
                    "distributions apart.",
                )


def _refuse_two_versions(builds: Iterable[Build]) -> None:
    """Keep to it that an index has one version of a package: apt would show the highest only."""
    seen: dict[tuple[str, str, str], tuple[tuple[str, ...], Build]] = {}
    targets = {build.target for build in builds}
    for build in builds:
        home = build.target.distribution
        indexes = sorted(one.architecture for one in targets if one.distribution == home)
        named: list[tuple[str, str, tuple[str, ...]]] = [
            (SOURCE, build.source.name, (build.source.version,))
        ]
        for binary, index in itertools.product(build.binaries, indexes):
            if binary.architecture in ("all", index):
                named.append((index, binary.name, (binary.version, binary.architecture)))
        for index, name, what in named:
            known, other = seen.setdefault((home, index, name), (what, build))
            if known != what:
                raise AuditFailed(
                    f"{home} would hold {name} twice: {' '.join(known)} from {other.name} and "
                    f"{' '.join(what)} from {build.name}.",
                    hint="Drop one of the two packages, or rename one.",
                )
