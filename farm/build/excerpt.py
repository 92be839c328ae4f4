"""Floor 3: the lines of a build's log that say why it failed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_READ = 4 * 2**20
_LINES = 20
_WIDTH = 300
_NEAR = 8  # lines of trouble that are closer belong to one trouble
_BEFORE = 3

# What a terminal would obey: ECMA-48. A log is written by somebody else.
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)")
_TROUBLE = re.compile(
    r"""
      \b(?:error|fatal)\b\s*(?:\[[^]]*\])?:      # compilers, linkers, dh, dpkg, configure
    | ^E:?\s                                     # pytest, pybuild
    | ^\S*\s*\d+/\d+\s.*\bFAIL                   # meson
    | \bFAIL(?:ED|URE|URES)?\b(?!\s*:\s*0\b)     # automake, ctest, pytest, go
    | \bnot\ ok\ \d                              # TAP
    | \bFailed\ test\b                           # prove
    | ^Traceback\ | ^\w*(?:Error|Exception):\ | \bpanicked\ at\b
    | \bundefined\ reference\b | \bcannot\ find\b | \bCannot\ find\b | \bNo\ rule\ to\ make\b
    | :\ not\ found$ | \bcommand\ not\ found$
    | \bNo\ such\ file\b | \bPermission\ denied\b | \bNo\ space\ left\b
    | \bFile\ too\ large\b | \bFile\ size\ limit\b
    | \bSegmentation\ fault\b | \bAborted\b | \bKilled\b
    | \bexists\ in\ debian/tmp\ but\ is\ not\ installed\b | ^missing-build-dependency
    """,
    re.VERBOSE,
)
# Who merely passes on that somebody else failed.
_EPILOGUE = re.compile(
    r"""
      ^make(?:\[\d+\])?:\ (?:\*\*\*\ (?:\[|Waiting\ )|Leaving\ |Entering\ |Target\ .*\ not\ remade)
    | ^dpkg-buildpackage:\ error:\ .*\ subprocess\ (?:returned|failed|was\ killed)
    | ^dh_auto_\w+:\ error:\ .*\ returned\ exit\ code
    | ^dh_\w+:\ error:\ failing\ due\ to\ earlier\ errors
    | ^\s*\^?[~^]*\s*$
    """,
    re.VERBOSE,
)
_FAILED_TARGET = re.compile(r"^make(?:\[(\d+)\])?: \*\*\* (?!Waiting)")
# debhelper shows logs of configure and of tests: debhelper(7), DH_QUIET.
_DUMP = re.compile(r"^==> (?:.*/)?(?:config\.log|CMakeCache\.txt|meson-log\.txt) <==")
_DUMP_END = re.compile(r"^(?:==> |dh_|make)")
_HARMLESS = re.compile(r"^#\s|\b0 (?:errors|failures|failed)\b|^checking .*\.\.\. |\(ignored\)$")


def excerpt(log: Path) -> str:
    """Give the lines of a log that say why a build failed, as plain text; see :func:`pick`."""
    return "\n".join(pick(_last_lines(log)))


def tail(log: Path) -> str:
    """Give the last lines of a log: of a build that was ended, they say what it was at."""
    return "\n".join(_last_lines(log)[-_LINES:])


def pick(lines: Sequence[str]) -> list[str]:
    """Pick the lines around the last trouble before everybody else stopped because of it.

    make, dh and dpkg-buildpackage all repeat that something failed; the first of them is given as
    the last line, for it names the target.
    """
    lines = _without_dumps(lines)
    target = _first_stop(lines)
    before = lines[:target]
    while before and _EPILOGUE.search(before[-1]):
        before = before[:-1]
    said = [lines[target]] if target < len(lines) else []
    return [*_around_trouble(before, _LINES - len(said)), *said]


def _first_stop(lines: Sequence[str]) -> int:
    """Find the innermost make that stopped, from the outermost one at the end."""
    found, level = len(lines), -1
    for number in range(len(lines) - 1, -1, -1):
        match = _FAILED_TARGET.match(lines[number])
        if match and int(match[1] or 0) > level:
            found, level = number, int(match[1] or 0)
        elif level >= 0 and found - number > 400:
            break
    return found


def _around_trouble(lines: Sequence[str], room: int) -> list[str]:
    marks = [number for number, line in enumerate(lines) if _is_trouble(line)]
    if not marks:
        return list(lines[-room:])
    first = last = marks[-1]
    for mark in reversed(marks):
        if first - mark > _NEAR:
            break
        first = mark
    block = list(lines[max(0, first - _BEFORE) : last + _NEAR])
    if len(block) <= room:
        return block
    half = room // 2
    return [*block[:half], "[...]", *block[-(room - half - 1) :]]


def _is_trouble(line: str) -> bool:
    return bool(_TROUBLE.search(line)) and not (_EPILOGUE.search(line) or _HARMLESS.search(line))


def _without_dumps(lines: Sequence[str]) -> list[str]:
    kept, inside = [], False
    for line in lines:
        inside = bool(_DUMP.match(line)) or (inside and not _DUMP_END.match(line))
        if not inside:
            kept.append(line)
    return kept


def _last_lines(log: Path) -> list[str]:
    if not log.exists():
        return []
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - _READ))
        text = stream.read().decode(errors="replace")
    return [_plain(line) for line in text.rstrip().split("\n")]


def _plain(line: str) -> str:
    line = _ESCAPE.sub("", line.rstrip().rpartition("\r")[2])
    return "".join(each if each.isprintable() or each == "\t" else "?" for each in line)[:_WIDTH]
