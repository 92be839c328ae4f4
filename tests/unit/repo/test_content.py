from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from farm.base.errors import AuditFailed
from farm.model.artifact import BinaryPackage, Build, SourcePackage, StoredFile
from farm.model.target import Target
from farm.repo.content import Content, deb_name, digest_entries, source_files, source_of

BOOKWORM = Target("bookworm", "amd64")
ARM = Target("bookworm", "arm64")
TRIXIE = Target("trixie", "amd64")


def stored(name: str, content: str = "", *, where: str = "/store") -> StoredFile:
    return StoredFile(
        name, (content or name).encode().hex().ljust(64, "0")[:64], 7, Path(where, name)
    )


def deb(
    name: str,
    version: str = "1.0",
    architecture: str = "amd64",
    *,
    content: str = "",
    source: str = "",
) -> BinaryPackage:
    file = stored(f"{name}_{version}_{architecture}.deb", content)
    return BinaryPackage(name, version, architecture, file, (("Source", source),))


def build(
    name: str, *binaries: BinaryPackage, version: str = "1.0", target: Target = BOOKWORM
) -> Build:
    dsc = stored(f"{name}_{version}.dsc")
    tar = stored(f"{name}_{version}.tar.xz")
    source = SourcePackage(name, version, "digest", dsc, (tar,), (), "somewhere")
    binaries = binaries or (deb(name, version, target.architecture),)
    return Build(name, target, f"key of {name}", source, binaries, dsc, dsc, Path("log"), 1.0)


def moved(one: Build) -> Build:
    """Give a build whose files lie elsewhere and that took another time."""
    debs = tuple(
        replace(binary, file=replace(binary.file, path=Path("/elsewhere", binary.file.name)))
        for binary in one.binaries
    )
    return replace(one, binaries=debs, key="another", seconds=9.0, log=Path("/elsewhere/log"))


def test_the_digest_is_that_of_the_content_alone() -> None:
    builds = (build("libre"), build("librem"))
    content = Content("sample", builds)
    again = Content("another", tuple(moved(one) for one in reversed(builds)))
    assert len(content.digest) == 64
    assert again.digest == content.digest


@pytest.mark.parametrize(
    "other",
    [
        build("libre", deb("libre", content="changed")),
        build("libre", version="1.1"),
        build("libre", target=TRIXIE),
        build("libre", deb("libre"), deb("libre-dev")),
        build("librem"),
    ],
)
def test_any_other_file_or_distribution_changes_the_digest(other: Build) -> None:
    assert Content("sample", (other,)).digest != Content("sample", (build("libre"),)).digest


def test_another_source_file_changes_the_digest() -> None:
    one = build("libre")
    source = replace(one.source, files=(stored("libre_1.0.tar.xz", "changed"),))
    other = replace(one, source=source)
    assert Content("sample", (other,)).digest != Content("sample", (one,)).digest


def test_another_architecture_changes_the_digest() -> None:
    both = build("web", deb("web", "1.0", "all"))
    arm = replace(both, target=ARM)
    assert Content("sample", (both, arm)).digest != Content("sample", (both,)).digest


def test_the_digest_can_be_told_from_entries() -> None:
    content = Content("sample", (build("libre"), build("web", target=ARM)))
    stripped = [replace(entry, package="", build="") for entry in reversed(content.entries)]
    assert digest_entries(stripped, architectures=content.architectures) == content.digest


def test_builds_come_in_the_order_of_their_names() -> None:
    content = Content("sample", (build("web"), build("libre")))
    assert [one.package for one in content.builds] == ["libre", "web"]


def test_entries_say_where_they_come_from() -> None:
    content = Content("sample", (build("libre", deb("libre0", "1:1.0-1")),))
    binary, source = content.entries
    assert (binary.name, binary.version, binary.architecture) == ("libre0", "1:1.0-1", "amd64")
    assert (binary.file, binary.package, binary.build) == (
        "libre0_1.0-1_amd64.deb", "libre", "key of libre",
    )  # fmt: skip
    assert (source.architecture, source.file) == ("source", "libre_1.0.dsc")
    assert [piece.name for piece in source.pieces] == ["libre_1.0.dsc", "libre_1.0.tar.xz"]
    assert source.size == 14


def test_architecture_all_is_once_in_a_distribution() -> None:
    web = deb("web", "1.0", "all")
    content = Content("sample", (build("web", web), build("web", web, target=ARM)))
    (part,) = content.per_distribution()
    assert part.architectures == ("amd64", "arm64")
    assert part.binaries == (web,)
    assert [source.name for source in part.sources] == ["web"]


def test_each_distribution_has_its_own_part() -> None:
    content = Content("sample", (build("libre"), build("libre", version="1.1", target=TRIXIE)))
    parts = content.per_distribution()
    found = [(part.distribution, [one.version for one in part.binaries]) for part in parts]
    assert found == [("bookworm", ["1.0"]), ("trixie", ["1.1"])]


def test_one_name_and_version_with_two_contents_is_refused() -> None:
    one = build("web", deb("web", "1.0", "all"))
    other = build("web", deb("web", "1.0", "all", content="changed"), target=ARM)
    said = (
        r"web 1.0 all has two contents: one from web@bookworm-amd64, "
        r"another from web@bookworm-arm64"
    )
    with pytest.raises(AuditFailed, match=said):
        Content("sample", (one, other))


def test_two_contents_in_two_distributions_are_refused_too() -> None:
    one = build("libre")
    other = build("libre", deb("libre", content="changed"), target=TRIXIE)
    with pytest.raises(AuditFailed, match="libre@bookworm-amd64, another from libre@trixie-amd64"):
        Content("sample", (one, other))


def test_two_contents_of_a_source_file_are_refused() -> None:
    one, other = build("libre"), build("libre", version="1.1")
    shared = replace(one.source, files=(stored("libre_1.orig.tar.xz"),))
    changed = replace(other.source, files=(stored("libre_1.orig.tar.xz", "changed"),))
    builds = (replace(one, source=shared), replace(other, source=changed, target=TRIXIE))
    with pytest.raises(AuditFailed, match=r"source file libre_1.orig.tar.xz has two contents"):
        Content("sample", builds)


def test_two_versions_in_a_distribution_are_refused() -> None:
    one = build("libre", deb("tools", "1.0"))
    other = build("web", deb("tools", "1.1"))
    said = (
        r"bookworm would hold tools twice: 1.0 amd64 from libre@bookworm-amd64 "
        r"and 1.1 amd64 from web@bookworm-amd64"
    )
    with pytest.raises(AuditFailed, match=said):
        Content("sample", (one, other))


def test_a_package_for_all_and_for_one_architecture_is_refused() -> None:
    one = build("libre", deb("tools", "1.0", "all"))
    other = build("web", deb("tools", "1.0", "amd64"))
    with pytest.raises(AuditFailed, match="bookworm would hold tools twice"):
        Content("sample", (one, other))


def test_architectures_may_have_versions_of_their_own() -> None:
    builds = (build("libre"), build("libre", version="1.1", target=ARM))
    one, other = builds
    assert Content("sample", (one, replace(other, source=one.source))).entries


@pytest.mark.parametrize("name", ["../web", "Web", "web/x", ""])
def test_a_name_that_is_no_name_is_refused(name: str) -> None:
    for wrong in (build("web", deb(name)), build("web", deb("web", source=name or "-"))):
        with pytest.raises(AuditFailed, match="web@bookworm-amd64 cannot be published"):
            Content("sample", (wrong,))


def test_the_epoch_is_no_part_of_a_file_name() -> None:
    assert deb_name(deb("libre0", "2:1.0-1")) == "libre0_1.0-1_amd64.deb"


def test_the_source_of_a_package() -> None:
    assert source_of(deb("libre0", source="libre (1:1.0)")) == "libre"
    assert source_of(deb("web")) == "web"


def test_a_dsc_comes_first_and_once() -> None:
    source = build("libre").source
    listed = replace(source, files=(*source.files, source.dsc))
    assert [one.name for one in source_files(listed)] == ["libre_1.0.dsc", "libre_1.0.tar.xz"]
