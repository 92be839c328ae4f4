"""What apt's sentences mean; each was printed by apt 2.6."""

from __future__ import annotations

import pytest

from farm.base.errors import FarmError, FarmFault, SourceError
from farm.base.run import Result
from farm.source.apt_trouble import explain
from farm.source.mirror import Mirror, Suite

MIRROR = Mirror(
    (Suite("http://m.example/debian", "bookworm"), Suite("file:/srv/sec", "bookworm-security"))
)


def said(*lines: str, status: int = 100) -> FarmError | None:
    text = "\n".join(lines)
    return explain(Result(("apt-get", "update"), status, "", text, 0.1), mirror=MIRROR)


@pytest.mark.parametrize(
    "line",
    [
        "E: The repository 'http://m.example/debian bookworm InRelease' is not signed.",
        "W: GPG error: http://m.example/debian bookworm InRelease: The following signatures "
        "couldn't be verified because the public key is not available: NO_PUBKEY 07",
        "E: Failed to fetch http://m.example/debian/dists/bookworm/main/source/Sources.xz  Hash "
        "Sum mismatch",
        "E: Failed to fetch http://m.example/debian/dists/bookworm/InRelease  Clearsigned file "
        "isn't valid, got 'NOSPLIT' (does the network require authentication?)",
        "E: Release file for http://m.example/debian/dists/bookworm/InRelease is not valid yet "
        "(invalid for another 2d).",
    ],
)
def test_an_archive_that_does_not_verify_is_not_trusted(line: str) -> None:
    trouble = said(line, "E: Some index files failed to download.")
    assert isinstance(trouble, SourceError)
    assert trouble.brief == (
        f"The archive at http://m.example/debian (bookworm) is not trusted: {line[3:]}"
    )
    assert trouble.hint


def test_another_suite_with_a_good_signature_is_refused_though_apt_only_warns() -> None:
    line = "W: Conflicting distribution: http://m.example/debian bookworm InRelease (expected ...)"
    assert isinstance(said(line, status=0), SourceError)


def test_what_is_missing_is_told_though_apt_only_notes_it() -> None:
    line = (
        "N: Skipping acquire of configured file 'main/binary-x/Packages' as repository "
        "'copy:/srv/sec bookworm-security InRelease' doesn't support architecture 'x'"
    )
    trouble = said(line, status=0)
    assert isinstance(trouble, SourceError)
    assert "at file:/srv/sec (bookworm-security) lacks what is asked for" in trouble.brief


def test_an_archive_that_does_not_answer_is_the_farms_trouble() -> None:
    line = "E: Failed to fetch http://m.example/debian/dists/bookworm/InRelease  Could not resolve"
    trouble = said(line)
    assert isinstance(trouble, FarmFault)
    assert "Could not resolve" in trouble.brief
    assert isinstance(said(status=100), FarmFault)


def test_warnings_of_other_kinds_are_no_trouble() -> None:
    assert said("W: Target Packages is configured multiple times", status=0) is None
    assert said(status=0) is None
