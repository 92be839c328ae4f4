from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from farm.base.errors import FarmFault
from farm.model.verdict import State, Verdict, item_id


def verdict(*, item: str = "build/build[a@b-c]", when: datetime | None = None) -> Verdict:
    return Verdict(
        item, "build", State.PASSED, "", "d" * 64, "", 1.5, when or datetime.now(UTC), "run-1"
    )


@pytest.mark.parametrize("state", [state for state in State if state is not State.PASSED])
def test_only_passed_opens_a_gate(state: State) -> None:
    assert State.PASSED.opens
    assert not state.opens


def test_states_read_as_words() -> None:
    assert sorted(State) == ["failed", "fault", "passed", "waiting", "waived"]


def test_an_item_names_gate_check_and_subject() -> None:
    assert item_id("build", "build", subject="a@b-c") == "build/build[a@b-c]"


def test_a_verdict_belongs_to_the_gate_of_its_item() -> None:
    with pytest.raises(FarmFault, match="not an item of the gate 'build'"):
        verdict(item="howto/x[a@b-c]")


def test_a_verdict_says_its_time_in_utc() -> None:
    with pytest.raises(FarmFault, match="UTC"):
        verdict(when=datetime(2024, 1, 1))
    with pytest.raises(FarmFault, match="UTC"):
        verdict(when=datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=2))))
