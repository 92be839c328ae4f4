from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from farm.model.verdict import State, Verdict
from farm.release.gates import Requirement
from farm.release.judgement import GateReport, judge

NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
BUILD = Requirement("build", "build/build[a@b-c]", "key")
LINT = Requirement("repository", "repository/lint[a@b-c]", "candidate", inputs="strict")


def verdict(
    requirement: Requirement = BUILD, *, state: State = State.PASSED, inputs: str = "",
    digest: str = "", reason: str = "",
) -> Verdict:  # fmt: skip
    return Verdict(
        requirement.item, requirement.gate, state, reason, digest or requirement.digest, inputs,
        1, NOW, "run-1",
    )  # fmt: skip


def judged(
    *requirements: Requirement, verdicts: tuple[Verdict, ...], oldest: datetime | None = None
) -> GateReport:
    def recall(digest: str) -> Mapping[str, Verdict]:
        return {v.item: v for v in verdicts if v.digest == digest}

    return judge(requirements, recall=recall, oldest=oldest)


def test_a_gate_opens_when_everything_required_has_passed() -> None:
    report = judged(BUILD, LINT, verdicts=(verdict(), verdict(LINT, inputs="strict")))
    assert report.opened
    assert report.why == "All 2 required items have passed."
    assert len(report.passed) == 2


def test_nothing_required_proves_nothing() -> None:
    report = judged(verdicts=(verdict(),))
    assert not report.opened
    assert report.why == "Nothing is required, so nothing is proven."


@pytest.mark.parametrize("state", [state for state in State if state is not State.PASSED])
def test_every_other_state_keeps_it_shut(state: State) -> None:
    report = judged(BUILD, verdicts=(verdict(state=state, reason="gcc is unwell.\nmore"),))
    assert not report.opened
    assert report.lines() == [f"build/build[a@b-c]: {state}: gcc is unwell"]


def test_what_passed_on_another_digest_is_missing() -> None:
    report = judged(BUILD, verdicts=(verdict(digest="other"),))
    assert report.lines() == [
        "build/build[a@b-c]: missing: nothing is recorded on exactly these digests"
    ]


def test_what_passed_under_another_policy_is_missing() -> None:
    report = judged(LINT, verdicts=(verdict(LINT, inputs="lax"),))
    assert "found with another test or policy" in report.why


def test_what_has_expired_is_missing() -> None:
    old = judged(BUILD, verdicts=(verdict(),), oldest=NOW + timedelta(seconds=1))
    assert "too old" in old.why
    assert judged(BUILD, verdicts=(verdict(),), oldest=NOW).opened


def test_a_problem_outweighs_a_recorded_pass() -> None:
    requirement = Requirement("build", BUILD.item, BUILD.digest, problem="it has no HOWTO")
    report = judged(requirement, verdicts=(verdict(),))
    assert report.lines() == ["build/build[a@b-c]: missing: it has no HOWTO"]


def test_the_sentence_counts_and_names_the_worst_first() -> None:
    failed = Requirement("build", "build/build[z@b-c]", "key-z")
    report = judged(
        BUILD, failed, verdicts=(verdict(failed, state=State.FAILED, reason="no main()"),)
    )
    assert report.why == (
        "2 of 2 required items have not passed (1 failed, 1 missing), the first is "
        "build/build[z@b-c]: failed: no main()."
    )


def test_a_long_list_is_cut_and_says_so() -> None:
    many = [Requirement("build", f"build/build[{n}@b-c]", "key") for n in range(25)]
    lines = judged(*many, verdicts=()).lines()
    assert len(lines) == 21
    assert lines[-1] == "… and 5 more"
