"""The ``farm`` command in a workspace of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from farm.cli.main import main
from tests.unit.cli.sample import Sample


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, for programs."""
        return json.loads(self.out)


Command = Callable[..., Answer]


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sample:
    """A workspace without packages, which the user is in."""
    monkeypatch.chdir(tmp_path)
    return Sample(tmp_path)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run ``farm`` with some words."""

    def run(*words: str) -> Answer:
        capsys.readouterr()
        status = main(list(words))
        printed = capsys.readouterr()
        return Answer(status, printed.out, printed.err)

    return run
