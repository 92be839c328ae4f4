"""How an item has ended, from what pytest reports of it."""

from __future__ import annotations

from typing import Literal

import pytest

from farm.base.errors import BuildFailed, CommandTimeout, FarmFault
from farm.model.verdict import State
from farm.plugin.verdicts import state_of


def report(outcome: Literal["passed", "failed", "skipped"]) -> pytest.TestReport:
    return pytest.TestReport("test_it", ("", 0, ""), {}, outcome, None, "call")


def test_passed() -> None:
    assert state_of(report("passed"), error=None) is State.PASSED


def test_an_expected_error_that_was_reported_as_passed_counts_as_reported() -> None:
    assert state_of(report("passed"), error=AssertionError()) is State.PASSED


@pytest.mark.parametrize("error", [None, AssertionError(), BuildFailed("It does not build.")])
def test_failed_with_or_without_an_exception(error: BaseException | None) -> None:
    assert state_of(report("failed"), error=error) is State.FAILED


@pytest.mark.parametrize("error", [FarmFault("The disk is full."), CommandTimeout("Too late.")])
def test_a_broken_farm_says_nothing_about_the_release(error: FarmFault) -> None:
    assert state_of(report("failed"), error=error) is State.FAULT


@pytest.mark.parametrize("error", [None, FarmFault("The disk is full.")])
def test_skipped_is_not_known(error: BaseException | None) -> None:
    assert state_of(report("skipped"), error=error) is State.WAITING


def test_only_one_state_opens_a_gate() -> None:
    assert [state for state in State if state.opens] == [State.PASSED]
