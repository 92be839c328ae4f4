from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from farm.base.errors import AuditFailed, InputError
from farm.repo.indexes import (
    by_hash_path,
    check_path,
    format_date,
    parse_packages,
    parse_release,
    parse_sources,
    pool_folder,
    read_date,
    redate,
)

SUM = "0123456789abcdef" * 4
RELEASE = f"""Origin: Sample
Label: Sample
Suite: rc
Codename: bookworm
Date: Mon, 01 Jan 2024 10:00:00 +0000
Architectures: amd64 arm64
Components: main
Acquire-By-Hash: yes
SHA256:
 {SUM}  12 main/binary-amd64/Packages
 {SUM}   0 main/source/Sources
"""
PACKAGES = f"""Package: libre0
Source: libre (1.0)
Version: 1:1.0-1
Architecture: amd64
Description: a test
 of two lines
Filename: pool/main/libr/libre/libre0_1.0-1_amd64.deb
Size: 12
SHA256: {SUM}

Package: web
Version: 2
Architecture: all
Filename: pool/main/w/web/web_2_all.deb
Size: 13
SHA256: {SUM}
"""
SOURCES = f"""Package: libre
Binary: libre0
Version: 1:1.0-1
Directory: pool/main/libr/libre
Checksums-Sha256:
 {SUM} 200 libre_1.0.orig.tar.xz
 {SUM} 20 libre_1.0-1.dsc
"""
NOON = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)


def test_a_release_is_read() -> None:
    release = parse_release(RELEASE)
    assert (release.codename, release.suite, release.origin) == ("bookworm", "rc", "Sample")
    assert release.date == datetime(2024, 1, 1, 10, 0, tzinfo=UTC)
    assert release.architectures == ("amd64", "arm64")
    assert release.by_hash
    assert release.files == {
        "main/binary-amd64/Packages": (SUM, 12),
        "main/source/Sources": (SUM, 0),
    }


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("Codename: bookworm\n", ""),
        ("Codename: bookworm", "Codename: ../bookworm"),
        ("Date: Mon, 01 Jan 2024 10:00:00 +0000\n", ""),
        ("Date: Mon, 01 Jan 2024", "Date: soon"),
        (SUM, "0123"),
        ("main/source", "../source"),
        ("main/source", "/main/source"),
        ("  12 ", "  many "),
        (f"SHA256:\n {SUM}  12 main/binary-amd64/Packages\n {SUM}   0 main/source/Sources\n", ""),
    ],
)
def test_a_release_that_is_wrong_is_refused(text: str, other: str) -> None:
    assert text in RELEASE
    with pytest.raises(AuditFailed, match="Release file"):
        parse_release(RELEASE.replace(text, other))


def test_a_new_date_changes_nothing_else() -> None:
    text = redate(RELEASE, NOON)
    assert parse_release(text).date == NOON
    assert text.replace(format_date(NOON), "Mon, 01 Jan 2024 10:00:00 +0000") == RELEASE


def test_only_a_release_with_a_date_can_be_dated_anew() -> None:
    with pytest.raises(InputError, match="has no date"):
        redate("Origin: Sample\n", NOON)


def test_dates_are_written_in_utc() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=9)))
    assert format_date(there) == "Wed, 01 May 2024 12:00:00 +0000"


def test_the_date_of_a_signed_text_is_read() -> None:
    signed = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{RELEASE}-----BEGIN"
    assert read_date(signed) == datetime(2024, 1, 1, 10, 0, tzinfo=UTC)
    assert read_date("Date: Mon, 01 Jan 2024 10:00:00 UTC").tzinfo


def test_packages_are_read() -> None:
    libre, web = parse_packages(PACKAGES, distribution="bookworm")
    entry = libre.entry
    assert (entry.distribution, entry.kind, entry.name) == ("bookworm", "binary", "libre0")
    assert (entry.version, entry.architecture, entry.size) == ("1:1.0-1", "amd64", 12)
    assert libre.paths == ("pool/main/libr/libre/libre0_1.0-1_amd64.deb",)
    assert libre.fields["Source"] == "libre (1.0)"
    assert web.entry.file == "web_2_all.deb"


def test_sources_are_read_with_the_dsc_first() -> None:
    (listed,) = parse_sources(SOURCES, distribution="bookworm")
    assert (listed.entry.kind, listed.entry.architecture) == ("source", "source")
    assert listed.entry.file == "libre_1.0-1.dsc"
    assert listed.paths == (
        "pool/main/libr/libre/libre_1.0-1.dsc",
        "pool/main/libr/libre/libre_1.0.orig.tar.xz",
    )
    assert listed.fields["Binary"] == "libre0"


def test_an_empty_index_lists_nothing() -> None:
    assert list(parse_packages("", distribution="bookworm")) == []
    assert list(parse_sources("", distribution="bookworm")) == []


@pytest.mark.parametrize(
    ("text", "other", "message"),
    [
        ("Filename: pool", "Filename: ../pool", "about libre0: '../pool"),
        ("Filename: pool", "Filename: /pool", "about libre0: '/pool"),
        ("Filename: pool", "Filename: http://example.org/pool", "about libre0"),
        (f"SHA256: {SUM}\n", "", "about libre0: 'SHA256' is missing"),
        (f"SHA256: {SUM}", "SHA256: short", "about libre0: 'short' is no SHA-256"),
        ("Version: 1:1.0-1\n", "", "about libre0: 'Version' is missing"),
        ("Size: 12", "Size: twelve", "about libre0"),
    ],
)
def test_a_package_that_is_wrong_is_refused(text: str, other: str, message: str) -> None:
    assert text in PACKAGES
    with pytest.raises(AuditFailed, match=f"^Packages of bookworm is wrong {message}"):
        list(parse_packages(PACKAGES.replace(text, other, 1), distribution="bookworm"))


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("Directory: pool", "Directory: .."),
        ("libre_1.0-1.dsc", "../libre_1.0-1.dsc"),
        ("Checksums-Sha256:", "Checksums-Sha999:"),
        (SUM, "0" * 63),
    ],
)
def test_a_source_that_is_wrong_is_refused(text: str, other: str) -> None:
    with pytest.raises(AuditFailed, match=r"^Sources of bookworm is wrong about libre: "):
        list(parse_sources(SOURCES.replace(text, other), distribution="bookworm"))


@pytest.mark.parametrize(
    ("source", "folder"),
    [("sipsak", "s/sipsak"), ("libre", "libr/libre"), ("lib", "l/lib"), ("3proxy", "3/3proxy")],
)
def test_pool_folders_are_those_of_the_archive(source: str, folder: str) -> None:
    assert pool_folder(source) == f"pool/main/{folder}"


def test_an_index_has_a_name_by_its_hash() -> None:
    path = by_hash_path("main/source/Sources.xz", SUM)
    assert path == f"main/source/by-hash/SHA256/{SUM}"


@pytest.mark.parametrize(
    "path", ["", ".", "..", "a/../b", "/a", "a/", "a//b", "a\\b", "http://a", "a\nb", "a?b", "a b"]
)
def test_paths_that_lead_away_are_refused(path: str) -> None:
    with pytest.raises(InputError, match="is not the name of a file of a repository"):
        check_path(path)


def test_paths_of_real_files_pass() -> None:
    for path in ("pool/main/g/g++/g++_1.0~rc1+b2-1_amd64.deb", "dists/x/by-hash/SHA256/0a"):
        assert check_path(path) == path
