"""Floor 7: text on the user's terminal: columns, colours, and what is being waited for."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TextIO

from farm.base.errors import FarmError

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
_CLEAR_LINE = "\r\x1b[K"
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")

Styles = Mapping[str, str]
"""Cell texts, and the style that each is shown in."""


def plain(text: str) -> str:
    """Leave out of a text what could do something to a terminal."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "?" for letter in text)


def paint(text: str, style: str, *, stream: TextIO | None = None) -> str:
    """Colour a text for a person at a terminal, and for nobody else: no-color.org.

    :param style: ``bold``, ``dim``, ``red``, ``green``, ``yellow``, or empty for none.
    """
    if not style or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if _is_terminal(stream or sys.stdout) else text


def _is_terminal(stream: TextIO) -> bool:
    return not stream.closed and stream.isatty()


def say(*lines: str) -> None:
    """Print lines; what is not printable in them is shown as a question mark."""
    for line in lines:
        print(plain(line))


def say_json(value: Any) -> None:
    """Print a value as JSON, for other programs."""
    print(json.dumps(value, indent=2, default=str))


def heading(text: str) -> None:
    """Print the heading of a part."""
    print(paint(plain(text), "bold"))


def say_table(
    rows: Iterable[Sequence[str]], *, header: Sequence[str] = (), styles: Styles | None = None,
    indent: str = "  ",
) -> None:  # fmt: skip
    """Print rows in aligned columns.

    :param styles: how cells with certain texts are coloured.
    """
    cells = [[plain(cell) for cell in row] for row in ([header] if header else []) + list(rows)]
    for number, line in enumerate(align(cells)):
        styled = line
        if header and not number:
            styled = [paint(cell, "dim") for cell in line]
        elif styles:
            styled = [_restyle(cell, styles) for cell in line]
        print(f"{indent}{'  '.join(styled)}".rstrip())


def align(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Fill cells up with blanks, so that columns stand straight; the last one stays as it is."""
    widths: dict[int, int] = {}
    for row in rows:
        for column, cell in enumerate(row[:-1]):
            widths[column] = max(widths.get(column, 0), len(cell))
    return [[*(cell.ljust(widths[column]) for column, cell in enumerate(row[:-1])), *row[-1:]]
            for row in rows]  # fmt: skip


def _restyle(cell: str, styles: Styles) -> str:
    text = cell.rstrip()
    style = styles.get(text, "")
    return cell.replace(text, paint(text, style), 1) if style else cell


def say_error(error: FarmError) -> None:
    """Print an error where errors belong: what happened, the details, and what to do next."""
    stream = sys.stderr
    print(f"{paint('farm:', 'red', stream=stream)} {plain(error.brief)}", file=stream)
    for line in plain(error.details).splitlines():
        print(f"  {line}", file=stream)
    if error.hint:
        print(plain(error.hint), file=stream)


def show_size(size: int) -> str:
    """Give an amount of bytes for people: ``1.5 MiB``."""
    amount = float(size)
    for unit in _UNITS:
        if abs(amount) < 1024 or unit == _UNITS[-1]:
            return f"{amount:.1f} {unit}" if unit != "B" else f"{size} B"
        amount /= 1024
    return f"{size} B"


def show_time(when: datetime) -> str:
    """Give a moment in the time of this machine, to the minute."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M")


def show_duration(seconds: float) -> str:
    """Give a length of time for people: ``1:05:09``."""
    return str(timedelta(seconds=int(seconds)))


class Progress:
    """Shows on one line of a terminal what is being done; a file or a pipe gets nothing."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._shown = False

    def __call__(self, what: str) -> None:
        """Show it instead of what was there before."""
        if _is_terminal(self._stream):
            width = shutil.get_terminal_size().columns
            self._show(plain(what)[: width - 1])
            self._shown = True

    def clear(self) -> None:
        """Leave the line as it was."""
        if self._shown:
            self._show("")
            self._shown = False

    def _show(self, text: str) -> None:
        print(f"{_CLEAR_LINE}{text}", end="", file=self._stream, flush=True)
