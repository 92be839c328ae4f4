"""Going into a machine that is kept."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.errors import InputError, WaitTimeout
from farm.cli.machine_shell import enter_machine, find_box
from farm.machine.running import Box, Record
from farm.model.layout import Layout
from farm.place.guest import Guest


def test_a_machine_that_is_off_says_so_and_where_its_words_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_: Guest, __: timedelta) -> None:
        raise WaitTimeout("An answer by ssh did not happen.")

    monkeypatch.setattr(Guest, "wait", never)
    box = Box(tmp_path / "farm-1-bookworm-amd64-a")
    box.folder.mkdir()
    box.write(Record(box.folder.name, "machine@bookworm-amd64", str(tmp_path / "gone"),
                     {"22": 2222}, "run", "FAI gave up"))  # fmt: skip
    with pytest.raises(InputError, match="is off, so there is nothing to go into") as told:
        enter_machine(box, Layout(tmp_path), [])
    assert str(box.console) in told.value.hint


def test_where_no_machine_is_kept_that_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No machine of bookworm-amd64 is kept"):
        find_box("machine@bookworm-amd64", Layout(tmp_path))
    assert find_box("sipcalc", Layout(tmp_path)) is None
