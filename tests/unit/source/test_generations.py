"""States of an archive side by side."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

from farm.source.generations import Generation, Generations

HOUR = timedelta(hours=1)


def put(generations: Generations, identity: str) -> Generation:
    made = generations.root / "tmp" / identity
    made.mkdir(parents=True)
    (made / "lists").write_text(identity)
    generation = generations.adopt(made, identity=identity)
    generations.switch(generation)
    return generation


def test_the_last_one_put_into_use_counts(tmp_path: Path) -> None:
    generations = Generations(tmp_path, settings="s")
    assert generations.current() is None
    put(generations, "one")
    second = put(generations, "two")
    assert generations.current() == second
    assert (second.path / "lists").read_text() == "two"


def test_the_same_state_stays_where_it_is(tmp_path: Path) -> None:
    generations = Generations(tmp_path, settings="s")
    first = put(generations, "one")
    inode = first.path.stat().st_ino
    assert put(generations, "one") == first
    assert first.path.stat().st_ino == inode


def test_a_state_made_with_other_settings_does_not_count(tmp_path: Path) -> None:
    put(Generations(tmp_path, settings="s"), "one")
    other = Generations(tmp_path, settings="t")
    assert other.current() is None
    assert not other.is_fresh(HOUR)


def test_one_that_is_half_gone_does_not_count(tmp_path: Path) -> None:
    generations = Generations(tmp_path, settings="s")
    first = put(generations, "one")
    first.path.rename(tmp_path / "gone")
    assert generations.current() is None


def test_freshness_is_a_matter_of_when_it_was_looked_at(tmp_path: Path) -> None:
    generations = Generations(tmp_path, settings="s")
    assert not generations.is_fresh(HOUR)
    put(generations, "one")
    assert generations.is_fresh(HOUR)
    pointer, now = tmp_path / "current.json", time.time()
    os.utime(pointer, (now, now - 2 * 3600))
    assert not generations.is_fresh(HOUR)
    os.utime(pointer, (now, now + 2 * 3600))
    assert not generations.is_fresh(HOUR)


def test_a_state_goes_days_after_a_newer_one_came(tmp_path: Path) -> None:
    generations = Generations(tmp_path, settings="s")
    first, second = put(generations, "one"), put(generations, "two")
    long_ago = time.time() - 4 * 24 * 3600
    for generation in (first, second):
        os.utime(generation.path, (long_ago, long_ago))
    third = put(generations, "three")
    # The second was in use until now: somebody may be reading it.
    assert [path.exists() for path in (first.path, second.path, third.path)] == [False, True, True]
