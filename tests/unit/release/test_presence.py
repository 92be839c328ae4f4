"""Cleaning up happens while nobody else is at work in the workspace."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from farm.release.presence import Presence

Pair = tuple[Presence, Presence]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Two processes, as far as locks are concerned, which do not wait."""
    return Presence(tmp_path, leaving=timedelta(0)), Presence(tmp_path, leaving=timedelta(0))


def test_many_are_at_work_at_once(pair: Pair) -> None:
    first, second = pair
    first.enter()
    second.enter()
    with second.alone() as free:
        assert not free


def test_one_has_the_workspace_alone_when_the_others_have_left(pair: Pair) -> None:
    first, second = pair
    first.enter()
    second.enter()
    first.leave()
    with second.alone() as free:
        assert free


def test_who_was_alone_is_at_work_again_afterwards(pair: Pair) -> None:
    first, second = pair
    first.enter()
    with first.alone() as free:
        assert free
    second.enter()
    with second.alone() as free:
        assert not free
