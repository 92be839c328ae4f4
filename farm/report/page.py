"""Floor 4: the page that people open after a release run: values in, one HTML file out.

Whatever a package, a log or a machine has brought is text, and is escaped. The page has no script,
and asks for nothing from elsewhere but pictures and logs in folders beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from farm.base.printable import printable
from farm.model.verdict import State

BLOCKED = "blocked"
"""Beside the states of verdicts: something else has failed that the item needs."""

_TEMPLATES = Path(__file__).parents[1] / "templates" / "report"
_WIDTH, _ROW, _LEFT, _TOP = 1000.0, 22, 60, 24
_BAR, _STRIP = 16, 15  # heights of items, and of their phases below them
_LETTER = 5.6  # the width of one in the names of phases
_TICKS = 8


@dataclass(frozen=True)
class Shown:
    """One item as the page shows it.

    :param gate: the gate that it belongs to; empty for an item of none.
    :param subject: ``PACKAGE@TARGET``, or a target.
    :param state: one of :class:`farm.model.verdict.State`, or :data:`BLOCKED`.
    :param recorded: whether it passed before on identical digests, and was not tried again.
    :param worker: who tried it.
    :param start: in seconds since 1970.
    :param log: a path below the page, or nothing.
    :param phases: parts of the time, with their seconds, from its start on.
    :param pictures: paths below the page, each with a caption.
    """

    name: str
    gate: str
    subject: str
    state: str
    reason: str = ""
    details: str = ""
    recorded: bool = False
    worker: str = ""
    start: float = 0.0
    seconds: float = 0.0
    log: str = ""
    enter: str = ""
    notes: tuple[str, ...] = ()
    phases: tuple[tuple[str, float], ...] = ()
    pictures: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Changed:
    """A package that differs from what users have; an empty version is none."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Kept:
    """An environment that stays as it was when something failed in it.

    :param name: for ``farm shell`` and ``farm gc --failed``.
    """

    name: str
    why: str


@dataclass(frozen=True)
class Report:
    """All that the page says.

    :param good: whether the run was green, and nothing was refused.
    :param verdict: one sentence.
    :param facts: names and values, such as what a repository holds now.
    :param kept: environments that wait for somebody to look at them.
    :param changes: against what users have; None when they have nothing.
    """

    title: str
    good: bool
    verdict: str
    facts: tuple[tuple[str, str], ...]
    items: tuple[Shown, ...]
    kept: tuple[Kept, ...] = ()
    changes: tuple[Changed, ...] | None = None
    when: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class Cell:
    """What one gate found for one subject."""

    state: str
    text: str


@dataclass(frozen=True)
class Bar:
    """One item in the timeline, or a phase of one, in the units of its picture.

    :param label: what is written in it, if that fits.
    """

    x: float
    y: float
    width: float
    state: str
    title: str
    height: int = _BAR
    label: str = ""


def render_page(report: Report) -> str:
    """Give the page."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["plain"] = printable
    gates = list(dict.fromkeys(item.gate for item in report.items if item.gate))
    return environment.get_template("index.html").render(
        report=report, gates=gates, rows=list(matrix(report.items, gates)),
        red=[item for item in report.items if item.state not in (State.PASSED, BLOCKED)],
        blocked=[item for item in report.items if item.state == BLOCKED],
        noted=[item for item in report.items if item.notes],
        pictures=[(item, *picture) for item in report.items for picture in item.pictures],
        timeline=timeline(report.items),
    )  # fmt: skip


def matrix(items: Iterable[Shown], gates: Iterable[str]) -> Iterable[tuple[str, list[Cell]]]:
    """Give a row for each subject, packages before targets, with a cell for each gate."""
    by_subject: dict[str, list[Shown]] = {}
    for item in items:
        if item.gate:
            by_subject.setdefault(item.subject, []).append(item)
    for subject in sorted(by_subject, key=lambda name: ("@" not in name, name)):
        yield subject, [_cell([i for i in by_subject[subject] if i.gate == g]) for g in gates]


# The worst of several is what counts.
_ORDER = (State.FAILED, State.FAULT, BLOCKED, State.WAITING, State.WAIVED, State.PASSED)


def _cell(items: list[Shown]) -> Cell:
    if not items:
        return Cell("", "")
    worst = min(items, key=lambda item: _ORDER.index(item.state)).state
    count = sum(item.state == worst for item in items)
    text = str(worst) if len(items) == 1 else f"{count} {worst}"
    if count < len(items):
        text = f"{count} of {len(items)} {worst}"
    if worst == State.PASSED and all(item.recorded for item in items):
        text += " before"
    return Cell(str(worst), text)


@dataclass(frozen=True)
class Timeline:
    """A picture of who did what when."""

    height: int
    workers: tuple[tuple[str, int], ...]
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]


def timeline(items: Iterable[Shown]) -> Timeline | None:
    """Lay out what was tried in this run, a row a worker; None when nothing was."""
    tried = [item for item in items if not item.recorded and item.start and item.worker]
    if not tried:
        return None
    begin = min(item.start for item in tried)
    length = max(1.0, max(item.start + item.seconds for item in tried) - begin)
    workers = sorted({item.worker for item in tried}, key=lambda name: (len(name), name))
    rows, height = _rows(workers, {item.worker for item in tried if item.phases})
    scale = (_WIDTH - _LEFT) / length
    bars = tuple(
        Bar(
            round(_LEFT + (item.start - begin) * scale, 1), rows[item.worker] + 3.0,
            round(max(1.0, item.seconds * scale), 1), item.state,
            f"{item.name}: {item.state}, {item.seconds:.1f} s",
        )
        for item in tried
    )  # fmt: skip
    phases = tuple(
        Bar(
            round(_LEFT + (item.start + since - begin) * scale, 1), rows[item.worker] + 3.0 + _BAR,
            round(max(1.0, seconds * scale), 1), f"phase-{number % 2}",
            f"{item.name}: {name}, {seconds:.0f} s", _STRIP - 2,
            name if seconds * scale > _LETTER * (len(name) + 1) else "",
        )
        for item in tried
        for number, (name, since, seconds) in enumerate(_since(item.phases))
    )  # fmt: skip
    ticks = tuple(
        (round(_LEFT + length * part / _TICKS * scale, 1), _clock(length * part / _TICKS))
        for part in range(_TICKS)
    )
    named = tuple((name, row + _ROW // 2 + 4) for name, row in rows.items())
    return Timeline(height, named, bars + phases, ticks)


def _rows(workers: list[str], phased: set[str]) -> tuple[dict[str, int], int]:
    """Give where the row of each worker begins, and where the picture ends.

    :param phased: those below whose items their phases are shown.
    """
    rows, y = {}, _TOP
    for name in workers:
        rows[name] = y
        y += _ROW + (_STRIP if name in phased else 0)
    return rows, y + 4


def _since(phases: Iterable[tuple[str, float]]) -> Iterator[tuple[str, float, float]]:
    """Give with each phase how many seconds the ones before it took."""
    since = 0.0
    for name, seconds in phases:
        yield name, since, seconds
        since += seconds


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
