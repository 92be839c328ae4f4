"""When an output is what was expected, and how it is shown where it is not."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from textwrap import dedent

import pytest

from farm.model.expectation import difference, match

VALUES = {"package": "sipsak", "version": "0.9.8-2~bpo12", "upstream_version": "0.9.8"}


def agrees(expected: str, actual: str) -> bool:
    lines = expected.split("\n") if expected else []
    answer = match(lines, actual, VALUES)
    assert answer == (difference(lines, actual, VALUES) == "")
    return answer


@pytest.mark.parametrize("actual", ["", "a", "a\nb\n", "\x00\x1b[1m"])
def test_no_expectation_accepts_every_output(actual: str) -> None:
    assert agrees("", actual)


@pytest.mark.parametrize("actual", ["a\nb", "a\nb\n", "a  \nb\t\n\n\n", "a\r\nb\r\n"])
def test_white_space_at_ends_does_not_count(actual: str) -> None:
    assert agrees("a\nb", actual)


@pytest.mark.parametrize(
    "actual", ["", "a", "b\na", "a\nb\nc", " a\nb", "\na\nb", "a\n\nb", "A\nb"]
)
def test_everything_else_counts(actual: str) -> None:
    assert not agrees("a\nb", actual)


@pytest.mark.parametrize("actual", ["1 + 1 = 2", "1 +  = 2", "1 + ... = 2"])
def test_dots_match_any_text_in_a_line(actual: str) -> None:
    assert agrees("1 + ... = 2", actual)
    assert not agrees("1 + ... = 2", actual + "0")
    assert not agrees("1 + ... = 2", "x" + actual)
    assert not agrees("1 + ... = 2", actual.replace("=", "=\n"))


@pytest.mark.parametrize(
    ("expected", "actual", "answer"),
    [
        ("...", "", True),
        ("...", "a\nb", True),
        ("  ...  ", "a\nb", True),
        ("a\n...", "a", True),
        ("a\n...", "a\nb\nc", True),
        ("a\n...", "b\na", False),
        ("...\na", "b\na", True),
        ("...\na", "a\nb", False),
        ("a\n...\na", "a", False),
        ("a\n...\na", "a\na", True),
        ("a\n...\nb\n...\nc", "a\nx\nb\ny\nz\nc", True),
        ("a\n...\nb\n...\nc", "a\nb\nc", True),
        ("a\n...\nb\n...\nc", "a\nc\nb", False),
        ("...\na\nb\n...", "a\na\nb", True),
        ("...\na\nb\n...", "a\nx\nb", False),
        ("...\n...\na", "a", True),
        ("...a...", "bab", True),
        ("...a...", "bcb", False),
        ("ab...ba", "aba", False),
        ("a...b...c", "abbc", True),
        ("a...b...c", "acb", False),
        ("Loading....", "Loading....", True),
        ("Loading....", "Loading:.", True),
        ("Loading....", "Loading", False),
        ("to do: ...", "to do:", True),
    ],
)
def test_dots(expected: str, actual: str, *, answer: bool) -> None:
    assert agrees(expected, actual) is answer


def test_names_in_braces_are_filled_in() -> None:
    assert agrees("{package} {version} ({upstream_version})", "sipsak 0.9.8-2~bpo12 (0.9.8)")
    assert not agrees("{version}", "0.9.8-3")


@pytest.mark.parametrize("text", ["{}", "{other}", "{ version }", "{{version", "{version:x}"])
def test_other_braces_are_literal(text: str) -> None:
    assert agrees(text, text)


def test_what_is_filled_in_is_literal() -> None:
    assert not match(["{version}"], "1x2", {"version": "1...2"})
    assert match(["{version}"], "{package}", {"version": "{package}", "package": "x"})


@pytest.mark.parametrize("text", ["a.c", "[a]", "(a", "a*", "^a$", "\\d"])
def test_nothing_is_a_regular_expression(text: str) -> None:
    assert agrees(text, text)
    assert not agrees(text, "abc")


# --- the difference ---


def test_a_difference_is_a_unified_diff_with_values_filled_in() -> None:
    assert difference(["{package}", "two", "three"], "sipsak\n2\nthree\n", VALUES) == dedent("""\
        --- expected
        +++ actual
        @@ -1,3 +1,3 @@
         sipsak
        -two
        +2
         three""")


def test_a_difference_commands_no_terminal() -> None:
    shown = difference(["one"], "\x1b[2Jone\0\x07\n", VALUES)
    assert shown.splitlines()[-1] == r"+\x1b[2Jone\x00\x07"


def test_what_dots_have_matched_is_no_difference() -> None:
    expected = ["begin ...", "...", "version {version} of ...", "...", "end"]
    actual = "begin now\na\nb\nversion 0.9.8-2~bpo12 of today\nc\nd\ne\nf\nEND"
    assert difference(expected, actual, VALUES) == dedent("""\
        --- expected
        +++ actual
        @@ -6,4 +6,4 @@
         d
         e
         f
        -end
        +END""")


def test_a_line_with_dots_that_matches_nothing_is_shown_as_it_is_written() -> None:
    assert difference(["a", "b ... {package}"], "a\nc\n", {}) == dedent("""\
        --- expected
        +++ actual
        @@ -1,2 +1,2 @@
         a
        -b ... {package}
        +c""")


def test_an_output_that_did_not_come_is_missing() -> None:
    assert difference(["a", "...", "b"], "", VALUES) == dedent("""\
        --- expected
        +++ actual
        @@ -1,2 +0,0 @@
        -a
        -b""")


def test_of_a_very_long_output_both_ends_are_compared() -> None:
    actual = "\n".join(["first", *map(str, range(100_000)), "last"])
    assert difference(["first", "...", "last"], actual, VALUES) == ""
    assert difference(["first", "...", "lost"], actual, VALUES) == dedent("""\
        --- expected
        +++ actual
        @@ -1998,4 +1998,4 @@
         99997
         99998
         99999
        -lost
        +last""")


# --- properties, on many small made-up cases ---


def _made_up(rng: random.Random, words: Sequence[str], most: int) -> list[str]:
    return [rng.choice(words) for _ in range(rng.randrange(most))]


def _as_regex(expected: Sequence[str]) -> re.Pattern[str]:
    """Say the same rule with a regular expression; each line ends with a newline."""
    pattern = ""
    for line in expected:
        parts = [re.escape(part) for part in line.split("...")]
        pattern += r"(?:.*\n)*" if line == "..." else "[^\n]*".join(parts) + r"\n"
    return re.compile(pattern)


@pytest.mark.parametrize("seed", range(20))
def test_matching_agrees_with_a_regular_expression(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
    answers = set()
    for _ in range(200):
        expected = _made_up(rng, ["a", "b", "ab", "...", "a...", "...b", "a...a", "a...b...a"], 6)
        actual = _made_up(rng, ["a", "b", "ab", "aa", "aba"], 6)
        text = "".join(f"{line}\n" for line in actual)
        answer = agrees("\n".join(expected), text) if expected else True
        assert answer == (not expected or bool(_as_regex(expected).fullmatch(text))), (
            expected,
            actual,
        )
        answers.add(answer)
    assert answers == {True, False}


@pytest.mark.parametrize("seed", range(20))
def test_a_difference_leads_from_one_text_to_the_other(seed: int) -> None:
    """Without what is added it is what was expected, without what is missing what came."""
    rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
    for _ in range(100):
        expected = [*_made_up(rng, ["a", "b", "...", "a...b"], 4), "z"]
        actual = [*_made_up(rng, ["a", "b", "ab", "c"], 4), "y"]
        shown = difference(expected, "\n".join(actual), VALUES).split("\n")[3:]
        assert [line[1:] for line in shown if line[0] in " +"] == actual
        kept = [line[1:] for line in shown if line[0] in " -"]
        assert match(expected, "\n".join(kept).replace("...", "-"), VALUES)
