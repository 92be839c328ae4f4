"""``farm image``, as far as nothing is installed."""

from __future__ import annotations

from tests.unit.cli.conftest import Command
from tests.unit.cli.sample import Sample


def test_a_format_that_does_not_exist(command: Command, sample: Sample) -> None:
    answer = command("image", "rc", "--format", "qcow")
    assert answer.status == 2
    assert "qcow" in answer.err
    assert "did you mean qcow2?" in answer.err


def test_without_a_format_farm_toml_must_name_one(command: Command, sample: Sample) -> None:
    sample.write()
    answer = command("image", "rc")
    assert answer.status == 2
    assert "farm.toml names no images of rc." in answer.err
    assert "farm image rc --format qcow2" in answer.err


def test_of_nothing_there_is_no_image(command: Command, sample: Sample) -> None:
    sample.write()
    answer = command("image", "rc", "--format", "iso")
    assert answer.status == 2
    assert "rc holds nothing yet" in answer.err


def test_an_unknown_repository(command: Command, sample: Sample) -> None:
    sample.write()
    answer = command("image", "prodution", "--format", "iso")
    assert answer.status == 2
    assert "prodution" in answer.err
