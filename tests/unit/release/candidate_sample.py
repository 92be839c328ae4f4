"""Candidates of builds that nobody made, over a snapshot that has no tree."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from farm.model.artifact import BinaryPackage, Build, SourcePackage, StoredFile
from farm.model.target import Target
from farm.release.candidate import Candidate, merge
from farm.repo.content import Content
from farm.repo.state import Snapshot

AMD64 = Target("bookworm", "amd64")
NOWHERE = Path("/nowhere")


def binary(
    name: str, version: str = "1.0", *, architecture: str = "amd64", **fields: str
) -> BinaryPackage:
    """A binary package; underscores in the names of fields become dashes."""
    file_name = f"{name}_{version.rpartition(':')[2]}_{architecture}.deb"
    file = StoredFile(file_name, f"{hash_of(name + version)}", 10, NOWHERE / file_name)
    pairs = {"Package": name, "Version": version, "Architecture": architecture}
    pairs |= {key.replace("_", "-"): value for key, value in fields.items()}
    return BinaryPackage(name, version, architecture, file, tuple(pairs.items()))


def hash_of(text: str) -> str:
    """Something that looks like a digest."""
    return text.encode().hex().ljust(64, "0")[:64]


def build(
    package: str, *binaries: BinaryPackage, version: str = "1.0", target: Target = AMD64
) -> Build:
    """What building a package gave; one binary package of its name unless others are given."""
    binaries = binaries or (binary(package, version),)

    def file(suffix: str) -> StoredFile:
        name = f"{package}_{version.rpartition(':')[2]}{suffix}"
        return StoredFile(name, hash_of(name), 1, NOWHERE / name)

    names = tuple(each.name for each in binaries)
    source = SourcePackage(package, version, f"digest of {package}", file(".dsc"), (), names, "")
    return Build(
        package, target, hash_of(f"key {package}"), source, binaries, file("_amd64.changes"),
        file("_amd64.buildinfo"), NOWHERE / "log", 1.0,
    )  # fmt: skip


def snapshot(*builds: Build, repository: str = "rc", root: Path = NOWHERE) -> Snapshot:
    """The state that a repository would have."""
    content = Content("ipbx", builds)
    return Snapshot(
        "id", content.digest, repository, root / "snapshots/id/tree",
        datetime(2024, 5, 1, tzinfo=UTC), content.entries, "fingerprint", own_key=True, keys=root,
        former=(),
    )  # fmt: skip


def candidate(*builds: Build, root: Path = NOWHERE) -> Candidate:
    """The candidate that they make."""
    return Candidate(snapshot(*builds, root=root), merge(builds), root / "key.gpg", "ipbx")
