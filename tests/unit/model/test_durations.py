from __future__ import annotations

from datetime import timedelta

import pytest

from farm.base.errors import InputError
from farm.model.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90 s", timedelta(seconds=90)),
        ("30 minutes", timedelta(minutes=30)),
        ("1h", timedelta(hours=1)),
        ("1.5 hours", timedelta(minutes=90)),
        ("1 h 30 min", timedelta(minutes=90)),
        ("1 day", timedelta(days=1)),
        ("2 weeks", timedelta(days=14)),
        ("0 s", timedelta()),
    ],
)
def test_reads_what_people_write(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "1", "hour", "1 dya", "-1 s", "1 h, 2 min", "1e3 s", "1 H"])
def test_refuses_what_it_would_have_to_guess(text: str) -> None:
    with pytest.raises(InputError, match="is not a duration"):
        parse_duration(text)


def test_refuses_more_than_ten_years() -> None:
    with pytest.raises(InputError, match="too long"):
        parse_duration("999999999 weeks")
