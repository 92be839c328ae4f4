"""Floor 1: whether the output of a command is what was expected, and where it is not.

An expectation is a list of lines. ``...`` in a line is any text, alone in a line it is any number
of lines; ``{NAME}`` is a value that is filled in. White space at the ends of lines and empty lines
at the end of the output do not count. Everything else is literal.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from farm.base.printable import printable

_ANYTHING = "..."
_NAME = re.compile(r"\{(\w+)\}")
_MOST_LINES = 2000  # of output in a difference: aligning takes time and reading takes more
_CONTEXT = 3
_ALONE = 1 << 20  # what a line without a partner costs: more than all pairs together gain


def match(expected: Sequence[str], actual: str, values: Mapping[str, str]) -> bool:
    """Compare what was printed with what was expected.

    :param expected: no lines at all accept every output.
    :param values: what ``{NAME}`` stands for; a name that is not there stands for itself.
    """
    if not expected:
        return True
    lines = _lines(actual)
    first, *others = _runs(expected)
    if not others:
        return len(first) == len(lines) and _agree(first, lines, values)
    *between, last = others
    begin, end = len(first), len(lines) - len(last)
    if begin > end or not _agree(first, lines, values):
        return False
    if not _agree(last, lines, values, begin=end):
        return False
    for run in between:  # the leftmost place is always good enough: what follows has most room
        places = range(begin, end - len(run) + 1)
        found = next((at for at in places if _agree(run, lines, values, begin=at)), None)
        if found is None:
            return False
        begin = found + len(run)
    return True


def difference(expected: Sequence[str], actual: str, values: Mapping[str, str]) -> str:
    """Show where the output leaves what was promised, as a unified diff.

    What ``...`` has matched is no difference. Of a very long output the middle is left out.

    :returns: a printable text, empty where :func:`match` agrees.
    """
    if match(expected, actual, values):
        return ""
    lines = _shorten(_lines(actual))
    left: list[str] = []
    right: list[str] = []
    # A number of its own makes each line unique, so that the diff keeps exactly our pairs.
    for number, (wanted, found) in enumerate(_align(expected, lines, values)):
        if wanted is not None:
            left.append(f"{number}\0{_fill(wanted, values) if found is None else found}")
        if found is not None:
            right.append(f"{number}\0{found}")
    shown = difflib.unified_diff(left, right, "expected", "actual", lineterm="", n=_CONTEXT)
    return printable("\n".join(_without_number(text) for text in shown))


def _without_number(text: str) -> str:
    mark, zero, content = text.partition("\0")
    return f"{mark[0]}{content}".rstrip() if zero else text


def _lines(text: str) -> list[str]:
    return text.rstrip().replace("\r\n", "\n").split("\n") if text.strip() else []


def _shorten(lines: list[str]) -> list[str]:
    more = len(lines) - _MOST_LINES
    if more <= 0:
        return lines
    half = _MOST_LINES // 2
    return [*lines[:half], f"({more} lines are left out here)", *lines[-half:]]


def _fill(text: str, values: Mapping[str, str]) -> str:
    return _NAME.sub(lambda found: values.get(found[1], found[0]), text)


def _runs(expected: Sequence[str]) -> Iterator[list[str]]:
    """Split at the lines that stand for any number of lines."""
    run: list[str] = []
    for line in expected:
        if line.strip() == _ANYTHING:
            yield run
            run = []
        else:
            run.append(line)
    yield run


def _agree(
    wanted: Sequence[str], lines: Sequence[str], values: Mapping[str, str], *, begin: int = 0
) -> bool:
    return all(_line_matches(a, lines[begin + i], values) for i, a in enumerate(wanted))


def _line_matches(wanted: str, line: str, values: Mapping[str, str]) -> bool:
    # Filled in after splitting: a value may hold dots, and they mean nothing.
    first, *others = (_fill(part, values) for part in wanted.rstrip().split(_ANYTHING))
    line = line.rstrip()
    if not others:
        return line == first
    *between, last = others
    line += "" if last else " "  # white space before dots at the end is at an end, too
    begin, end = len(first), len(line) - len(last)
    if begin > end or not (line.startswith(first) and line.endswith(last)):
        return False
    for part in between:
        found = line.find(part, begin, end)
        if found < 0:
            return False
        begin = found + len(part)
    return True


def _align(
    expected: Sequence[str], lines: Sequence[str], values: Mapping[str, str]
) -> Iterator[tuple[str | None, str | None]]:
    """Pair what is wanted with what came, with as few lines left alone as possible."""
    wanted = [_Wanted.of(expected, i, lines, values) for i in range(len(expected))]
    cost = _costs(wanted, len(lines))
    pair: tuple[str | None, str | None]
    i = j = 0
    while i < len(expected) or j < len(lines):
        here = cost[i][j]
        if i == len(expected):
            pair, i, j = (None, lines[j]), i, j + 1
        elif wanted[i].free and here == cost[i + 1][j]:
            i += 1
            continue
        elif wanted[i].free:
            pair, j = (lines[j], lines[j]), j + 1
        elif j < len(lines) and wanted[i].agrees[j] and here == cost[i + 1][j + 1] - 1:
            pair, i, j = (expected[i], lines[j]), i + 1, j + 1
        elif j < len(lines) and wanted[i].tied and here == cost[i + 1][j + 1] + _ALONE:
            yield (expected[i], None)
            pair, i, j = (None, lines[j]), i + 1, j + 1
        elif here == cost[i + 1][j] + _ALONE:
            pair, i = (expected[i], None), i + 1
        else:
            pair, j = (None, lines[j]), j + 1
        yield pair


@dataclass(frozen=True)
class _Wanted:
    """A line of an expectation.

    :param free: it stands for any number of lines.
    :param tied: no such line is before it, or none after it, so its place is known.
    """

    free: bool
    tied: bool
    agrees: Sequence[bool]

    @classmethod
    def of(
        cls, expected: Sequence[str], i: int, lines: Sequence[str], values: Mapping[str, str]
    ) -> _Wanted:
        free = [wanted.strip() == _ANYTHING for wanted in expected]
        agrees = [_line_matches(expected[i], line, values) for line in lines]
        return cls(free[i], not (any(free[:i]) and any(free[i:])), agrees)


def _costs(wanted: Sequence[_Wanted], width: int) -> list[list[int]]:
    """Count, from each pair of positions on, the lines that stay alone, less those paired."""
    rows = [[_ALONE * n for n in range(width, -1, -1)]]
    for one in reversed(wanted):
        below = rows[-1]
        row = [below[width] + (0 if one.free else _ALONE)]
        for j in range(width - 1, -1, -1):
            if one.free:
                row.append(min(below[j], row[-1]))
                continue
            diagonal = [below[j + 1] - 1] if one.agrees[j] else []
            diagonal += [below[j + 1] + _ALONE] if one.tied else []
            row.append(min(_ALONE + below[j], _ALONE + row[-1], *diagonal))
        rows.append(row[::-1])
    return rows[::-1]
