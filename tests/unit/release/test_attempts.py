"""What has failed in a run is not tried again in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.base.errors import Blocked, FarmError, FarmFault, InstallFailed, WaitTimeout
from farm.release.attempts import Attempts


def fail(attempts: Attempts, error: FarmError, *, key: str = "machine") -> None:
    with pytest.raises(type(error)), attempts.once(key):
        raise error


def is_tried(attempts: Attempts, key: str = "machine") -> bool:
    try:
        with attempts.once(key):
            return True
    except FarmError:
        return False


def test_what_the_release_does_wrong_it_does_again(tmp_path: Path) -> None:
    fail(Attempts(tmp_path), InstallFailed("It does not boot.", details="panic", hint="Look."))
    with pytest.raises(InstallFailed) as told, Attempts(tmp_path).once("machine"):
        raise AssertionError
    assert (told.value.brief, told.value.details, told.value.hint) == (
        "It does not boot.", "panic", "Look.",
    )  # fmt: skip
    assert is_tried(Attempts(tmp_path), "another")


def test_a_fault_is_worth_a_second_try_and_no_third(tmp_path: Path) -> None:
    fail(Attempts(tmp_path), WaitTimeout("The mirror does not answer."))
    assert is_tried(Attempts(tmp_path))
    fail(Attempts(tmp_path), FarmFault("The power was cut."))
    assert not is_tried(Attempts(tmp_path))


def test_what_was_never_begun_has_not_failed(tmp_path: Path) -> None:
    fail(Attempts(tmp_path), Blocked("There is no machine.", by="machine@t"))
    assert is_tried(Attempts(tmp_path))


def test_outside_of_a_run_everything_is_tried(tmp_path: Path) -> None:
    fail(Attempts(None), InstallFailed("It does not boot."))
    assert is_tried(Attempts(None))
