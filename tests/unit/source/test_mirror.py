"""Where a distribution's archive is."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.base.errors import InputError
from farm.source.mirror import ARCHIVE_KEYRING, Suite, find_mirror, host_mirrors

DEBIAN = """
# The distribution
Types: deb deb-src
# an older state: http://old.example/debian
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
VENDOR = """
Types: deb
URIs: https://vendor.example/debian
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/vendor.gpg
"""


def etc(tmp_path: Path, *, stanzas: str = "", lines: str = "", vendor: str = "") -> Path:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (parts / "a-vendor.sources").write_text(vendor)
    (parts / "debian.sources").write_text(stanzas)
    (parts / "debian.sources.disabled").write_text(stanzas.replace("mirror.", "other."))
    (tmp_path / "sources.list").write_text(lines)
    return tmp_path


def test_deb822_sources_give_the_suite_and_its_updates(tmp_path: Path) -> None:
    found = host_mirrors("bookworm", etc=etc(tmp_path, stanzas=DEBIAN))
    assert found.suites == (
        Suite("http://mirror.example/debian", "bookworm"),
        Suite("http://mirror.example/debian", "bookworm-updates"),
        Suite("http://mirror.example/debian-security", "bookworm-security"),
    )
    assert found.keyring == ARCHIVE_KEYRING
    assert found.of_host


def test_suites_that_are_asked_for_must_be_there(tmp_path: Path) -> None:
    sources = etc(tmp_path, stanzas=DEBIAN)
    found = host_mirrors("bookworm", suites=("bookworm",), etc=sources)
    assert [suite.name for suite in found.suites] == ["bookworm"]
    with pytest.raises(InputError, match="no suite 'bookworm-backports'"):
        host_mirrors("bookworm", suites=("bookworm", "bookworm-backports"), etc=sources)


def test_one_line_sources_give_the_same(tmp_path: Path) -> None:
    lines = (
        "# deb http://off.example/debian bookworm main\n"
        "deb cdrom:[Debian 12]/ bookworm main\n"
        "deb-src http://source.example/debian bookworm main\n"
        "deb [ arch=amd64 signed-by=/srv/own.gpg ] http://mirror.example/debian bookworm main #\n"
    )
    found = host_mirrors("bookworm", etc=etc(tmp_path, lines=lines))
    assert found.suites == (Suite("http://mirror.example/debian", "bookworm"),)
    assert found.keyring == Path("/srv/own.gpg")


def test_a_vendor_with_a_suite_of_the_same_name_is_not_the_distribution(tmp_path: Path) -> None:
    found = host_mirrors("bookworm", etc=etc(tmp_path, stanzas=DEBIAN, vendor=VENDOR))
    assert found.suites[0].uri == "http://mirror.example/debian"


def test_an_entry_without_keyring_goes_before_one_with_a_strange_one(tmp_path: Path) -> None:
    lines = "deb http://mirror.example/debian bookworm main\n"
    found = host_mirrors("bookworm", etc=etc(tmp_path, lines=lines, vendor=VENDOR))
    assert found.suites[0].uri == "http://mirror.example/debian"
    assert found.keyring == ARCHIVE_KEYRING


@pytest.mark.parametrize(
    "change",
    [
        ("Types:", "Enabled: no\nTypes:"),
        ("Types: deb deb-src", "Types: deb-src"),
        ("Components: main", "Components: tools"),
        ("http://mirror.example/debian\n", "cdrom:[Debian]/\n"),
    ],
)
def test_what_apt_would_not_take_packages_from_is_passed_over(
    tmp_path: Path, change: tuple[str, str]
) -> None:
    folder = etc(tmp_path, stanzas=DEBIAN.replace(*change))
    with pytest.raises(InputError, match="no suite 'bookworm'"):
        host_mirrors("bookworm", etc=folder)


def test_a_missing_suite_is_told_with_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        host_mirrors("trixie", etc=etc(tmp_path, stanzas=DEBIAN))
    assert caught.value.brief == "The apt sources of this host have no suite 'trixie'."
    assert "bookworm at http://mirror.example/debian," in caught.value.details
    assert "mirror" in caught.value.hint


def test_an_address_is_taken_as_it_is() -> None:
    found = find_mirror("file:/srv/debian", distribution="bookworm")
    assert found.suites == (Suite("file:/srv/debian", "bookworm"),)
    assert not found.of_host


def test_an_address_may_come_with_another_for_security() -> None:
    found = find_mirror(
        "http://a.example/debian", distribution="bookworm", security="http://a.example/security",
        keyring=Path("/srv/key.gpg"), components=("main", "contrib"),
    )  # fmt: skip
    assert found.suites[1] == Suite(
        "http://a.example/security", "bookworm-security", ("main", "contrib")
    )
    assert found.keyring == Path("/srv/key.gpg")


@pytest.mark.parametrize(
    "bad", ["", "mirror.example", "ftp://a/b", "http://a b", "http://a\nX: y", "http://[::1", "x:"]
)
def test_anything_else_is_refused(bad: str) -> None:
    with pytest.raises(InputError, match="is not the address of an archive"):
        find_mirror(bad, distribution="bookworm")
