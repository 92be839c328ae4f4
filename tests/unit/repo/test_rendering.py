from __future__ import annotations

from pathlib import Path

import pytest
from debian.deb822 import Deb822

from farm.model.artifact import BinaryPackage, SourcePackage, StoredFile
from farm.repo.content import Part
from farm.repo.reprepro import (
    public_name,
    render_deb_override,
    render_distribution,
    render_dsc_override,
    render_sources,
)

FILE = StoredFile("x", "0" * 64, 1, Path("x"))


def deb(name: str, **fields: str) -> BinaryPackage:
    return BinaryPackage(name, "1.0", "amd64", FILE, tuple(fields.items()))


def part(*binaries: BinaryPackage, sources: tuple[str, ...] = ()) -> Part:
    packages = tuple(SourcePackage(one, "1.0", "", FILE, (), (), "") for one in sources)
    return Part("bookworm", ("amd64", "arm64"), packages, binaries)


def test_a_distribution_is_configured() -> None:
    text = render_distribution(part(), suite="private-alice", origin="My IPBX")
    fields = dict(Deb822(text))
    assert fields == {
        "Codename": "bookworm", "Suite": "private-alice", "Origin": "My IPBX", "Label": "My IPBX",
        "Components": "main", "Architectures": "amd64 arm64 source",
        "DebOverride": "bookworm.deb", "DscOverride": "bookworm.dsc",
        "DebIndices": "Packages . .gz .xz", "DscIndices": "Sources . .gz .xz",
    }  # fmt: skip


def test_only_what_packages_lack_is_overridden() -> None:
    text = render_deb_override(
        [
            deb("whole", Section="net", Priority="optional"),
            deb("plain"),
            deb("strange", Section="unknown", Priority="extra"),
        ]
    )
    assert text.splitlines() == [
        "plain\tPriority\toptional",
        "plain\tSection\tmisc",
        "strange\tSection\tmisc",
    ]


def test_sources_have_the_section_of_a_package() -> None:
    text = render_dsc_override(
        part(
            deb("libre0-dbgsym", Source="libre", Section="debug"),
            deb("libre0", Source="libre (2)", Section="libs"),
            sources=("libre", "empty"),
        )
    )
    assert text.splitlines() == [
        "empty\tSection\tmisc",
        "empty\tPriority\toptional",
        "libre\tSection\tlibs",
        "libre\tPriority\toptional",
    ]


@pytest.mark.parametrize(
    ("origin", "repository", "name"),
    [
        ("Sample", "rc", "sample-rc"),
        ("My IPBX!", "private/alice", "my-ipbx-private-alice"),
        ("../é", "rc", "rc"),
    ],
)
def test_public_files_have_plain_names(origin: str, repository: str, name: str) -> None:
    assert public_name(origin, repository) == name


def test_people_get_a_paragraph_to_copy() -> None:
    fields = Deb822(render_sources("sample-rc", codenames=["bookworm", "trixie"]))
    assert fields["Types"] == "deb deb-src"
    assert fields["Suites"] == "bookworm trixie"
    assert fields["Signed-By"] == "/usr/share/keyrings/sample-rc-keyring.gpg"
