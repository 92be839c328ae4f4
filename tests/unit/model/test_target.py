"""What packages are built for, as people write it."""

from __future__ import annotations

import pytest

from farm.base.errors import InputError
from farm.model.target import Target


@pytest.mark.parametrize("text", ["bookworm-amd64", "trixie-arm64", "leap15.6-s390x", "sid-all"])
def test_it_is_read_as_it_is_written(text: str) -> None:
    assert str(Target.parse(text)) == text


def test_its_two_parts() -> None:
    target = Target.parse("leap15.6-s390x")
    assert (target.distribution, target.architecture) == ("leap15.6", "s390x")


def test_equal_ones_are_the_same_key_and_all_have_an_order() -> None:
    texts = ["trixie-amd64", "bookworm-i386", "bookworm-amd64"]
    assert {Target.parse(texts[0]): 1}[Target("trixie", "amd64")] == 1
    ordered = sorted(map(Target.parse, texts))
    assert [str(target) for target in ordered] == sorted(texts)


@pytest.mark.parametrize(
    "text",
    [
        "", "bookworm", "bookworm-", "-amd64", "bookworm_amd64", "bookworm-kfreebsd-amd64",
        "Bookworm-amd64", "bookworm-AMD64", "12-amd64", "../etc-amd64", "bookworm/x-amd64",
        "bookworm-amd64/..", "bookworm-amd64\n", " bookworm-amd64", "bookworm -amd64",
        "bookworm-amd64,trixie-amd64", "b\u00f6okworm-amd64", "bookworm-amd\u0664",
        "bookworm-amd64\0",
    ],
)  # fmt: skip
def test_what_is_no_target_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError) as caught:
        Target.parse(text)
    assert caught.value.brief == (
        f"{text!r} is not a target: it is written DISTRIBUTION-ARCHITECTURE."
    )
    assert "bookworm-amd64" in caught.value.hint
