"""Text for people: straight columns, colours for terminals only, nothing that harms them."""

from __future__ import annotations

import io

import pytest

from farm.cli.terminal import (
    Progress,
    align,
    paint,
    plain,
    say_table,
    show_duration,
    show_size,
)


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _colourful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_columns_stand_straight() -> None:
    assert align([("a", "bcd", "e"), ("fgh", "i", "jkl")]) == [
        ["a  ", "bcd", "e"],
        ["fgh", "i  ", "jkl"],
    ]


def test_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    say_table([("web", "1.0", ""), ("library", "2.0", "failed")], header=("", "rc", "state"))
    assert capsys.readouterr().out == (
        "           rc   state\n  web      1.0\n  library  2.0  failed\n"
    )


def test_colours_do_not_move_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    say_table([("ok", "x"), ("failed", "y")], styles={"ok": "green"})
    assert terminal.getvalue() == "  \x1b[32mok\x1b[0m      x\n  failed  y\n"


def test_colours_are_for_terminals_of_people_who_want_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert paint("text", "red", stream=Terminal()) == "\x1b[31mtext\x1b[0m"
    assert paint("text", "red", stream=io.StringIO()) == "text"
    assert paint("text", "", stream=Terminal()) == "text"
    monkeypatch.setenv("NO_COLOR", "1")
    assert paint("text", "red", stream=Terminal()) == "text"


def test_foreign_text_cannot_steer_the_terminal() -> None:
    assert plain("a\x1b[31mb\rc\nd\te") == "a?[31mb?c\nd\te"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (-1536, "-1.5 KiB"), (3 << 30, "3.0 GiB"),
     (5 << 50, "5120.0 TiB")],
)  # fmt: skip
def test_sizes(size: int, text: str) -> None:
    assert show_size(size) == text


def test_durations() -> None:
    assert show_duration(3909.7) == "1:05:09"


def test_progress_is_for_terminals_only() -> None:
    pipe = io.StringIO()
    progress = Progress(pipe)
    progress("compiling")
    progress.clear()
    assert pipe.getvalue() == ""


def test_progress_leaves_the_line_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    terminal = Terminal()
    progress = Progress(terminal)
    progress("compiling a lot")
    progress.clear()
    assert terminal.getvalue() == "\r\x1b[Kcompiling\r\x1b[K"
