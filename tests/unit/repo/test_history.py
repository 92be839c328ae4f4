from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from farm.repo.history import History, Switch, latest, standing

NOON = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)


def switches(text: str) -> list[Switch]:
    """Read ``a b <a``: to a, to b, back to a."""
    return [
        Switch(word.lstrip("<"), NOON + timedelta(minutes=minute), word.startswith("<"))
        for minute, word in enumerate(text.split())
    ]


@pytest.mark.parametrize(
    ("story", "states"),
    [
        ("", ""),
        ("a", "a"),
        ("a b c", "a b c"),
        ("a b c <b", "a b"),
        ("a b c <b <a", "a"),
        ("a b c <b d", "a b d"),
        ("a b c <b c", "a b c"),
        ("a b a", "a b a"),
        ("a b a <b", "a b"),
        ("a a", "a"),
        ("a <x", "a x"),
    ],
)
def test_what_a_repository_rests_on(story: str, states: str) -> None:
    assert standing(switches(story)) == states.split()


def test_the_latest_come_first_and_once() -> None:
    assert latest(switches("a b c <b")) == ["b", "c", "a"]


def test_what_is_appended_is_read(tmp_path: Path) -> None:
    history = History(tmp_path / "records" / "rc.jsonl")
    assert history.read() == ()
    for switch in switches("a b <a"):
        history.append(switch)
    assert history.read() == tuple(switches("a b <a"))


def test_a_torn_line_is_left_out_and_hurts_no_other(tmp_path: Path) -> None:
    path = tmp_path / "rc.jsonl"
    history = History(path)
    first, second = switches("a b")
    history.append(first)
    with path.open("a") as stream:
        stream.write('{"snapshot": "lo')
    history.append(second)
    assert history.read() == (first, second)
