from __future__ import annotations

import pytest

from farm.base.errors import InputError
from farm.model.sizes import parse_size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10 GiB", 10 * 1024**3),
        ("64MiB", 64 * 1024**2),
        ("500 MB", 500_000_000),
        ("1.5 KiB", 1536),
        ("1 kB", 1000),
        ("4096 B", 4096),
    ],
)
def test_reads_what_people_write(text: str, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "10", "GiB", "10 Gib", "10 gb", "-1 B", "1 GiB 1 MiB"])
def test_refuses_what_it_would_have_to_guess(text: str) -> None:
    with pytest.raises(InputError, match="is not a size"):
        parse_size(text)


def test_refuses_more_than_any_disk() -> None:
    with pytest.raises(InputError, match="too large"):
        parse_size("99999999 TiB")
