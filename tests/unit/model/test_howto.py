"""What is read from the Markdown of a HOWTO, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from textwrap import dedent

import pytest

from farm.base.errors import InputError
from farm.model.howto import TIMEOUT, Howto, parse_howto


def parse(text: str) -> Howto:
    return parse_howto(dedent(text), path="howtos/sipsak.md")


def commands(text: str) -> list[tuple[int, str]]:
    return [(step.line, step.command) for step in parse(text).steps]


def test_console_blocks_are_read_in_order_and_lines_are_those_of_the_file() -> None:
    text = """\
        # Title

        ```console
        $ one
        1

        $ two
        ```
        and then
        ~~~ console
        # three
        ~~~
        """
    assert commands(text) == [(4, "one"), (7, "two"), (11, "three")]


def test_blocks_of_other_languages_are_for_the_reader() -> None:
    text = """\
        ```
        $ a
        ```
        ```sh
        $ b
        ```
        ```consoles
        $ c
        ```
        ```console
        $ run
        ```
        """
    assert commands(text) == [(11, "run")]


def test_a_block_inside_another_block_is_text() -> None:
    text = """\
        ````markdown
        ```console
        $ shown
        ```
        ````
        ```console
        $ run
        ```
        """
    assert commands(text) == [(7, "run")]


def test_a_block_inside_a_comment_is_not_there() -> None:
    text = """\
        <!--
        ```console
        $ not yet
        ```
        -->
        ```console
        $ cat page
        <!-- a comment of the page -->
        ```
        """
    (step,) = parse(text).steps
    assert (step.line, step.expected) == (7, ("<!-- a comment of the page -->",))


def test_a_block_in_a_list_is_indented() -> None:
    text = """\
        1. First:

           ```console
           $ cat > x <<END
           >   two
           > END
             out
           ```
        """
    (step,) = parse(text).steps
    assert (step.line, step.command) == (4, "cat > x <<END\n  two\nEND")
    assert step.expected == ("  out",)


BLOCK = "```console\n$ true\n```\n"


def test_settings_stand_in_comments() -> None:
    howto = parse_howto(
        f"<!-- farm: install=curl, netcat-openbsd -->\n{BLOCK}<!--farm: timeout = 120 s-->\n",
        path="x.md",
    )
    assert howto.install == ("curl", "netcat-openbsd")
    assert howto.timeout == timedelta(seconds=120)


@pytest.mark.parametrize(
    "text", ["", "<!-- farm animals -->\n", "```text\n<!-- farm: install=curl -->\n```\n"]
)
def test_without_settings_there_are_defaults(text: str) -> None:
    howto = parse_howto(text + BLOCK, path="x.md")
    assert (howto.install, howto.timeout) == ((), TIMEOUT)


@pytest.mark.parametrize(
    ("text", "brief"),
    [
        ("# Title\n", "x.md has no console block with a command, so it shows nothing"),
        ("```console\n```\n", "x.md has no console block with a command"),
        ("\n```console\n\nhello\n```\n", "x.md:4: 'hello' stands before the first command."),
        ("\n```console\n$ true\n", "x.md:2: This console block has no end."),
        ("\n```console\n", "x.md:2: This console block has no end."),
        (
            f"<!--\n```console\n-->\n{BLOCK}",
            "x.md:4: This console block is not told from what is above it.",
        ),
        (f"\n<!-- farm: installs=curl -->\n{BLOCK}", "x.md:2: 'installs=curl' is no setting"),
        (f"<!-- farm install -->\n<!-- farm: x -->\n{BLOCK}", "x.md:2: 'x' is no setting"),
        (f"<!-- farm: install= -->\n{BLOCK}", "x.md:1: 'install=' is no setting of a HOWTO."),
        (f"<!-- farm: install=a b -->\n{BLOCK}", "x.md:1: 'a b' is not a package name:"),
        (f"<!-- farm: install=curl,, -->\n{BLOCK}", "x.md:1: '' is not a package name:"),
        (f"<!-- farm: timeout=soon -->\n{BLOCK}", "x.md:1: "),
        (
            f"<!-- farm: timeout=1 s -->\n<!-- farm timeout=2 s -->\n{BLOCK}",
            "x.md:2: timeout= is given a second time.",
        ),
    ],
)
def test_a_mistake_is_refused_with_file_and_line(text: str, brief: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_howto(text, path="x.md")
    assert caught.value.brief.startswith(brief)
    assert "\n" not in caught.value.brief


def test_a_setting_that_is_nearly_right_is_hinted_at() -> None:
    with pytest.raises(InputError) as caught:
        parse_howto(f"<!-- farm: installs=curl -->\n{BLOCK}", path="x.md")
    assert caught.value.hint == "Did you mean install=...?"
