"""The page about a run: what it says, in which words, and that nothing on it does anything."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from farm.model.verdict import State
from farm.report.page import BLOCKED, Changed, Kept, Report, Shown, matrix, render_page, timeline

GOOD = Shown("test_build[a@t]", "build", "a@t", State.PASSED, worker="gw0", start=100.0,
             seconds=5.0)  # fmt: skip
HOSTILE = '<script>alert(1)</script>\x1b[2J" onload="x'


def shown(state: str, gate: str = "build", subject: str = "a@t", **more: object) -> Shown:
    values: dict[str, object] = {"name": f"{gate}/{state}", "gate": gate, "subject": subject,
                                 "state": state, "reason": f"because of {state}"}  # fmt: skip
    return Shown(**values | more)  # type: ignore[arg-type]


def page(*items: Shown, good: bool = True, **more: object) -> str:
    values: dict[str, object] = {"changes": None}
    return render_page(Report("ipbx: rc", good, "rc now holds 1.", (("outcome", "rc"),), items,
                              **values | more))  # type: ignore[arg-type]  # fmt: skip


class Elements(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.partition("<body>")[2]).split())


def test_the_verdict_comes_first() -> None:
    assert text_of(page(GOOD)).startswith("ipbx: rc rc now holds 1.")


@pytest.mark.parametrize("state", [*State, BLOCKED])
def test_every_state_is_told_in_its_own_word_and_colour(state: str) -> None:
    html = page(shown(state))
    assert f'<span class="state {state}">{state}</span>' in html


def test_what_has_not_passed_is_there_with_reason_log_and_the_way_in() -> None:
    html = page(shown(State.FAILED, details="make: error", log="logs/a.txt",
                      enter="farm shell a@t"), good=False)  # fmt: skip
    told = text_of(html)
    assert "What has not passed" in told
    assert "because of failed" in told
    assert "farm shell a@t" in told
    assert "make: error" in told
    assert 'href="logs/a.txt"' in html


def test_a_green_page_speaks_of_no_failure() -> None:
    assert "What has not passed" not in text_of(page(GOOD))


def test_packages_come_before_targets_and_the_worst_counts() -> None:
    rows = dict(matrix(
        [shown(State.PASSED, subject="t"), shown(State.PASSED), shown(State.FAILED),
         shown(State.PASSED, recorded=True, subject="b@t")], ["build"],
    ))  # fmt: skip
    assert [*rows] == ["a@t", "b@t", "t"]
    assert [cell.text for cell in rows["a@t"]] == ["1 of 2 failed"]
    assert [cell.text for cell in rows["b@t"]] == ["passed before"]


def test_changes_for_users() -> None:
    assert "first release" in text_of(page(GOOD))
    assert "users have exactly this" in text_of(page(GOOD, changes=()))
    told = text_of(page(GOOD, changes=(Changed("a", "1.0", "1.1"), Changed("b", "", "2"))))
    assert "a 1.0 1.1 b \N{EN DASH} 2" in told


def test_the_timeline_has_a_row_a_worker_and_leaves_out_what_was_not_tried() -> None:
    found = timeline([
        GOOD, shown(State.PASSED, worker="gw10", start=105.0, seconds=10.0),
        shown(State.PASSED, worker="gw2", start=100.0, seconds=1.0, recorded=True),
    ])  # fmt: skip
    assert found
    assert [name for name, _ in found.workers] == ["gw0", "gw10"]
    first, second = found.bars
    assert (first.x, second.x + second.width) == (60.0, 1000.0)
    assert timeline([shown(State.PASSED, recorded=True)]) is None


def test_phases_lie_one_after_the_other_inside_of_their_item() -> None:
    phases = (("partition", 2.0), ("instsoft", 6.0))
    found = timeline([shown(State.PASSED, worker="gw0", start=100.0, seconds=10.0, phases=phases)])
    assert found
    whole, first, second = found.bars
    assert (first.title, second.title) == (
        "build/passed: partition, 2 s", "build/passed: instsoft, 6 s",
    )  # fmt: skip
    assert first.x == whole.x
    assert second.x == first.x + first.width
    assert second.x + second.width < whole.x + whole.width
    assert first.y == second.y >= whole.y + whole.height, "below it"


def test_a_phase_has_its_name_where_that_fits_and_room_below_its_item() -> None:
    phases = (("partition", 1.0), ("instsoft", 90.0))
    found = timeline([
        shown(State.PASSED, worker="gw0", start=100.0, seconds=100.0, phases=phases),
        shown(State.PASSED, worker="gw1", start=150.0, seconds=1.0),
    ])  # fmt: skip
    assert found
    whole, other, first, second = found.bars
    assert (first.label, second.label) == ("", "instsoft")
    assert whole.y < first.y < first.y + first.height < other.y


def test_what_is_kept_comes_with_the_way_in_and_the_way_out() -> None:
    told = text_of(page(GOOD, kept=(Kept("machine@t", "The page answers with status 500."),)))
    assert "farm shell machine@t farm gc --failed machine@t The page answers with" in told
    assert "What waits to be looked at" not in text_of(page(GOOD))


def test_what_a_package_says_is_text() -> None:
    html = page(shown(State.FAILED, name=HOSTILE, reason=HOSTILE, details=HOSTILE, enter=HOSTILE,
                      notes=(HOSTILE,), pictures=(("pictures/a.png", HOSTILE),), worker="gw0",
                      start=1.0), changes=(Changed(HOSTILE, HOSTILE, HOSTILE),))  # fmt: skip
    tags = {tag for tag, _ in Elements(html).found}
    assert "script" not in tags
    assert not any(name.startswith("on") for _, attrs in Elements(html).found for name in attrs)
    assert "\x1b" not in html


def test_nothing_is_asked_for_from_elsewhere() -> None:
    html = page(shown(State.FAILED, log="logs/a.txt", pictures=(("pictures/a.png", "a"),)))
    for _, attrs in Elements(html).found:
        for name in ("href", "src"):
            assert "//" not in (attrs.get(name) or "")
    assert "url(" not in html
