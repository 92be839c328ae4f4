"""The command line as such: help, mistakes, and exit statuses that scripts can rely on."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from farm.base.errors import (
    BuildFailed,
    ConfigError,
    FarmError,
    FarmFault,
    InputError,
    PromotionRefused,
    SourceError,
)
from farm.cli import log, main
from farm.cli.main import COMMANDS, exit_status
from tests.unit.cli.conftest import Command
from tests.unit.cli.sample import Sample


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_with_an_example(command: Command, name: str) -> None:
    answer = command(name, "--help")
    assert answer.status == 0
    assert f"usage: farm {name}" in answer.out
    assert f"examples:\n  farm {name}" in answer.out


def test_the_help_lists_all_commands(command: Command) -> None:
    answer = command("--help")
    assert answer.status == 0
    assert all(f"\n    {name} " in answer.out for name in COMMANDS)


def test_no_command_is_a_mistake_that_shows_the_help(command: Command) -> None:
    answer = command()
    assert (answer.status, answer.out) == (2, command("--help").out)


def test_the_version(command: Command) -> None:
    answer = command("--version")
    assert answer.status == 0
    assert answer.out.startswith("farm ")


def test_a_wrong_command_gets_the_nearest_spelling(command: Command) -> None:
    answer = command("stats")
    assert answer.status == 2
    assert answer.err.startswith("farm: There is no command 'stats'; did you mean status?\n")


def test_what_is_missing_is_said_with_where_to_look(command: Command) -> None:
    answer = command("promote", "rc")
    assert answer.status == 2
    assert answer.err == (
        "farm: The following arguments are required: TO.\nSee: farm promote --help\n"
    )


def test_options_are_not_abbreviated(command: Command) -> None:
    assert command("status", "--js").status == 2


def test_outside_of_a_workspace(command: Command, tmp_path: Path) -> None:
    answer = command("status", "--workspace", str(tmp_path))
    assert answer.status == 2
    assert f"There is no farm.toml in {tmp_path} or above." in answer.err
    assert "farm new workspace" in answer.err


def test_mistakes_in_farm_toml_are_told_all_together(command: Command, sample: Sample) -> None:
    sample.write('[repository.dev]\ngate = ["build"]\n[package.web]\nfolder = "nowhere"\n')
    answer = command("status")
    assert answer.status == 2
    assert answer.err.startswith("farm: farm.toml has ")
    assert "repository.dev.gate" in answer.err
    assert "package.web.folder" in answer.err


@pytest.mark.usefixtures("sample")
def test_a_workspace_can_be_named_before_and_after_the_command(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    where = ("--workspace", str(tmp_path))
    assert command(*where, "status").status == 0
    assert command("status", *where).status == 0
    assert command("status", "--workspace", str(tmp_path / "nowhere")).status == 2


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InputError("x"), 2), (ConfigError("x"), 2), (SourceError("x"), 2), (FarmFault("x"), 3),
        (BuildFailed("x"), 1), (PromotionRefused("x"), 1), (FarmError("x"), 1),
    ],
)  # fmt: skip
def test_the_exit_status_tells_the_kind_of_trouble(error: FarmError, status: int) -> None:
    assert exit_status(error) == status


class Trouble:
    """A command that only fails."""

    def __init__(self, error: BaseException) -> None:
        self._error = error
        self.add_parser = log.add_parser

    def run(self, args: argparse.Namespace) -> int:
        raise self._error


def troubled(
    command: Command, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> tuple[int, str]:
    monkeypatch.setitem(main.COMMANDS, "log", Trouble(error))
    answer = command("log")
    return answer.status, answer.err


def test_an_error_is_told_with_its_details_and_a_hint(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = FarmFault("It broke.", details="one\ntwo\x1b[2J", hint="Mend it.")
    status, told = troubled(command, monkeypatch, error)
    assert (status, told) == (3, "farm: It broke.\n  one\n  two?[2J\nMend it.\n")


def test_trouble_with_a_file_is_no_traceback(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = PermissionError(13, "Permission denied", "/srv/farm")
    status, told = troubled(command, monkeypatch, error)
    assert (status, told) == (3, "farm: /srv/farm: Permission denied.\n")


def test_an_interrupted_command_says_nothing(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert troubled(command, monkeypatch, KeyboardInterrupt()) == (130, "")
