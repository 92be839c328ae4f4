"""What the console blocks of a HOWTO say."""

from __future__ import annotations

import random
from collections.abc import Sequence
from textwrap import dedent

import pytest

from farm.base.errors import InputError
from farm.model.transcript import Step, parse_transcript


def parse(text: str) -> tuple[Step, ...]:
    return parse_transcript(dedent(text), path="howtos/sipsak.md", line=10)


def refusal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse(text)
    return caught.value.brief


def test_prompts_say_who_types_and_the_lines_after_them_what_is_printed() -> None:
    steps = parse("""\
        $ id -un
        alice
        # id -un
        root
        0""")
    assert steps == (
        Step("user", "id -un", ("alice",), 0, line=10),
        Step("root", "id -un", ("root", "0"), 0, line=12),
    )


def test_a_command_goes_on_behind_the_second_prompt() -> None:
    (step,) = parse("""\
        # cat > /etc/motd <<END
        > hello
        >
        >   world
        > END
        written""")
    assert step.command == "cat > /etc/motd <<END\nhello\n\n  world\nEND"
    assert step.expected == ("written",)


@pytest.mark.parametrize("second", ["    --verbose", "> --verbose"])
def test_a_backslash_at_the_end_continues_a_command(second: str) -> None:
    (step,) = parse(f"$ ls \\\n{second}\na b")
    assert (step.command, step.expected) == (f"ls \\\n{second.removeprefix('> ')}", ("a b",))


def test_two_backslashes_at_the_end_do_not_continue_a_command() -> None:
    (step,) = parse("$ echo a\\\\\na\\")
    assert (step.command, step.expected) == ("echo a\\\\", ("a\\",))


def test_a_line_that_only_looks_like_a_prompt_is_output() -> None:
    (step,) = parse("$ cat x\n#!/bin/sh\n$HOME\n##\n>x\nx\n> y")
    assert step.expected == ("#!/bin/sh", "$HOME", "##", ">x", "x", "> y")


def test_empty_lines_separate_commands_and_belong_to_an_output_inside() -> None:
    one, two = parse("\n$ one\na\n\nb\n\n\n$ two\n\n")
    assert (one.expected, two.expected) == (("a", "", "b"), ())
    assert (one.line, two.line) == (11, 17)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("[exit status: 3]", ()),
        ("a\n[exit status: 3]", ("a",)),
        ("a\n\n[exit status: 3]\n", ("a",)),
    ],
)
def test_an_exit_status_stands_below_the_output(output: str, expected: tuple[str, ...]) -> None:
    (step,) = parse(f"$ false\n{output}")
    assert (step.status, step.expected) == (3, expected)


def test_braces_and_dots_in_a_command_are_left_to_the_shell() -> None:
    (step,) = parse("$ echo ${version} {version} ...")
    assert step.command == "echo ${version} {version} ..."


def test_nothing_is_a_transcript_without_steps() -> None:
    assert parse("\n\n") == ()


@pytest.mark.parametrize(
    ("text", "brief"),
    [
        ("hello\n$ a", "howtos/sipsak.md:10: 'hello' stands before the first command."),
        ("> a", "howtos/sipsak.md:10: '> a' stands before the first command."),
        ("$ a\n$", "howtos/sipsak.md:11: There is no command behind the prompt '$'."),
        ("# ", "howtos/sipsak.md:10: There is no command behind the prompt '#'."),
        (
            "$ a \\\n$ b",
            "howtos/sipsak.md:11: The command before ends with a backslash, but stops.",
        ),
        (
            "$ a \\\n\n$ b",
            "howtos/sipsak.md:11: The command before ends with a backslash, but stops.",
        ),
        ("$ a \\", "howtos/sipsak.md:10: The command ends with a backslash, but stops."),
        (
            "$ a\n[exit status: 256]",
            "howtos/sipsak.md:10: There is no exit status 256, 255 is the highest.",
        ),
        ("$ a\n[exit status 1]", "howtos/sipsak.md:11: '[exit status 1]' is not understood."),
        ("$ a\n[Exit code: 1]", "howtos/sipsak.md:11: '[Exit code: 1]' is not understood."),
        (
            "$ a\n[exit status: 1]\nb",
            "howtos/sipsak.md:11: '[exit status: 1]' is not understood.",
        ),
        (
            "$ cd /tmp",
            "howtos/sipsak.md:10: cd alone does nothing: each command has its own shell.",
        ),
        (
            "# export A=b",
            "howtos/sipsak.md:10: export alone does nothing: each command has its own shell.",
        ),
        (
            "$ A=b",
            "howtos/sipsak.md:10: Setting A alone does nothing: each command has its own shell.",
        ),
    ],
)
def test_a_mistake_is_refused_with_file_and_line(text: str, brief: str) -> None:
    assert refusal(text) == brief


@pytest.mark.parametrize(
    "command", ["cd /tmp && ls", "A=b env", "cd /\n> ls", "exporter -x", "cdo"]
)
def test_what_a_shell_forgets_may_stand_beside_what_needs_it(command: str) -> None:
    assert len(parse(f"$ {command}")) == 1


def _made_up(rng: random.Random, words: Sequence[str], most: int) -> list[str]:
    return [rng.choice(words) for _ in range(rng.randrange(most))]


def test_every_transcript_that_is_printed_again_is_read_again() -> None:
    rng = random.Random(7)  # noqa: S311 - repeatable on purpose
    for _ in range(200):
        steps: list[tuple[str, str, tuple[str, ...], int, int]] = []
        lines: list[str] = []
        for _ in range(rng.randrange(1, 5)):
            command = ["ls", *_made_up(rng, ["x", "$ y", "# z"], 3)]
            output = [*_made_up(rng, ["o", "", "..."], 3), "p"]
            status = rng.randrange(3)
            user, prompt = rng.choice([("user", "$"), ("root", "#")])
            steps.append((user, "\n".join(command), tuple(output), status, len(lines) + 1))
            lines += [f"{prompt} {command[0]}", *(f"> {line}" for line in command[1:]), *output]
            lines += [f"[exit status: {status}]"] if status else []
        read = parse_transcript("\n".join(lines), path="x.md")
        assert [(s.user, s.command, s.expected, s.status, s.line) for s in read] == steps
