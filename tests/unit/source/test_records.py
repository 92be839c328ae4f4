"""Source packages as the archive's index describes them."""

from __future__ import annotations

import pytest

from farm.base.errors import SourceError
from farm.source.records import SourceFile, SourceRecord, newest, read_records

A, B = "a" * 64, "b" * 64
TEXT = f"""Package: libre
Binary: libre0, libre-dev
Version: 1.1.0-1
Directory: pool/main/libr/libre
Files:
 00 10 libre_1.1.0-1.dsc
Checksums-Sha256:
 {A} 10 libre_1.1.0-1.dsc
 {B} 20 libre_1.1.0.orig.tar.gz

Package: libre
Version: 1.0.0-1
Extra-Source-Only: yes
Checksums-Sha256:
 {A} 10 libre_1.0.0-1.dsc
"""


def test_records_are_read_but_not_what_is_kept_for_its_licence_only() -> None:
    (record,) = read_records(TEXT)
    assert record == SourceRecord(
        "libre", "1.1.0-1", "pool/main/libr/libre",
        (SourceFile("libre_1.1.0-1.dsc", A, 10), SourceFile("libre_1.1.0.orig.tar.gz", B, 20)),
    )  # fmt: skip
    assert record.dsc.sha256 == A
    assert SourceRecord.from_json(record.as_json()) == record


def test_the_newest_is_the_one_that_dpkg_calls_newest() -> None:
    versions = ["1.9", "1.10~rc1", "1:0.1", "1.10", "1.10-1"]
    records = [SourceRecord("x1", version, "", ()) for version in versions]
    found = newest(records)
    assert found is not None
    assert found.version == "1:0.1"
    assert newest([]) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("Checksums-Sha256:\n " + A, "Nothing:\n " + A), "no Checksums-Sha256 field"),
        ((B, "bb"), "cannot be read"),
        ((" 20 ", " -1 "), "cannot be read"),
        (("libre_1.1.0.orig", "../orig"), "cannot be fetched: '../orig.tar.gz'"),
        (("libre_1.1.0.orig.tar.gz", "libre_1.1.0-1.dsc"), "named twice"),
        ((f" {A} 10 libre_1.1.0-1.dsc\n {B}", f" {B}"), "does not name one .dsc"),
    ],
)
def test_a_record_that_cannot_be_trusted_is_refused(change: tuple[str, str], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        list(read_records(TEXT.partition("\n\n")[0].replace(*change)))
