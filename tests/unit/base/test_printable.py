"""What strangers wrote can be read, and commands no terminal."""

from __future__ import annotations

import pytest

from farm.base.printable import printable


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("\x9b2Jgone", r"\x9b2Jgone"),
        ("bad\rgood", r"bad\x0dgood"),
        ("a\0b\x07\x7f", r"a\x00b\x07\x7f"),
        ("a\u202eb", r"a\u202eb"),
        ("a\udcffb", r"a\udcffb"),
    ],
)
def test_what_a_terminal_obeys_is_escaped(raw: str, shown: str) -> None:
    assert printable(raw) == shown
    assert printable(shown) == shown


def test_lines_tabs_and_letters_of_the_world_stay() -> None:
    text = "a\tb\nGrüße, 你好, क्षि, \N{NO-BREAK SPACE}\N{ZERO WIDTH JOINER}👍 \\x1b\n"
    assert printable(text) == text
