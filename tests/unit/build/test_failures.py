"""What is remembered of failed builds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.errors import InputError
from farm.base.files import Lock
from farm.build import failures as module
from farm.build.failures import Failure, Failures
from farm.model.layout import Layout
from farm.place.overlay import lock_of

FAILURE = Failure(
    name="sipcalc@bookworm-amd64", key="k" * 64, run="run-1", environment="sipcalc-1",
    layers=("layer-1", "base-1"), directory="/build/sipcalc-1.1",
    command=("dpkg-buildpackage", "-b"), variables=(("DEB_BUILD_OPTIONS", "parallel=1"),),
    source="/somewhere", reason="it ended", excerpt="error", log="/log",
    when="2025-11-03T09:00:00+00:00",
)  # fmt: skip


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path).prepare()


@pytest.fixture
def failures(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> Failures:
    """Give an empty memory; nothing of its environments is really mounted."""
    monkeypatch.setattr(module, "end_processes", lambda _label: [])
    monkeypatch.setattr(module, "remove_tree", lambda path: path.rmdir())
    monkeypatch.setattr(module, "_PATIENCE", timedelta(0))
    return Failures(layout)


def test_what_is_added_is_found_again(failures: Failures) -> None:
    failures.add(FAILURE)
    assert list(failures.all()) == [FAILURE]
    assert failures.environments() == {"sipcalc-1"}


def test_the_latest_comes_first(failures: Failures) -> None:
    later = replace(FAILURE, environment="sipcalc-0", when="2025-11-03T10:00:00+00:00")
    failures.add(FAILURE)
    failures.add(later)
    failures.add(replace(FAILURE, name="other@bookworm-amd64", environment="other-1"))
    assert failures.of(FAILURE.name) == [later, FAILURE]


def test_only_the_same_inputs_in_the_same_run_are_not_tried_again(failures: Failures) -> None:
    failures.add(FAILURE)
    assert failures.find(FAILURE.name, key=FAILURE.key, run="run-1") == FAILURE
    assert failures.find(FAILURE.name, key=FAILURE.key, run="run-2") is None
    assert failures.find(FAILURE.name, key="l" * 64, run="run-1") is None


def test_a_released_one_is_forgotten(failures: Failures) -> None:
    failures.add(FAILURE)
    folder = failures.folder(FAILURE)
    folder.mkdir()
    failures.release(FAILURE)
    assert list(failures.all()) == []
    assert not folder.exists()
    assert not lock_of(folder).exists()


def test_one_that_somebody_looks_into_is_not_released(failures: Failures) -> None:
    failures.add(FAILURE)
    failures.folder(FAILURE).mkdir()
    shell = Lock(lock_of(failures.folder(FAILURE)))
    assert shell.try_acquire(shared=True)
    with pytest.raises(InputError, match="A shell is open in the failed build of sipcalc@"):
        failures.release(FAILURE)
    assert list(failures.all()) == [FAILURE]
    shell.release()
    failures.release(FAILURE)


def test_killed_in_between_it_leaves_what_a_sweep_takes(
    failures: Failures, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_path: Path) -> None:
        raise KeyboardInterrupt

    failures.add(FAILURE)
    failures.folder(FAILURE).mkdir()
    monkeypatch.setattr(module, "remove_tree", die)
    with pytest.raises(KeyboardInterrupt):
        failures.release(FAILURE)
    assert failures.environments() == frozenset()


def test_one_that_vanishes_while_it_is_read_is_not_given(
    failures: Failures, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanish(_path: Path) -> object:
        raise FileNotFoundError

    failures.add(FAILURE)
    monkeypatch.setattr(module, "read_json", vanish)
    assert list(failures.all()) == []
