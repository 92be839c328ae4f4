"""What processes of a run say of themselves, and how the dead ones are told from the living."""

from __future__ import annotations

from pathlib import Path

from farm.base.files import write_json
from farm.report.activity import Activity, find_running, read_activities

NOW = 2_000_000_000.0


def test_a_process_says_what_it_is_doing(tmp_path: Path) -> None:
    activity = Activity(tmp_path, worker="gw1")
    activity.item = "build[libogg@bookworm-amd64]"
    activity("compiling")
    (doing,) = read_activities(tmp_path, now=NOW)
    assert (doing.worker, doing.what) == ("gw1", "build[libogg@bookworm-amd64]: compiling")


def test_a_process_at_rest_is_alive_and_does_nothing(tmp_path: Path) -> None:
    activity = Activity(tmp_path / "run-1", worker="main")
    activity("compiling")
    activity.rest()
    (running,) = find_running(tmp_path, now=NOW)
    assert (running.name, running.doings) == ("run-1", ())


def test_what_a_killed_process_said_last_does_not_count(tmp_path: Path) -> None:
    folder = tmp_path / "run-1"
    write_json(folder / "gw0.activity", {"item": "", "what": "compiling", "since": NOW - 5})
    (folder / "gw0.alive").touch()  # nobody has it locked any more
    assert read_activities(folder, now=NOW) == []
    assert list(find_running(tmp_path, now=NOW)) == []


def test_long_activities_are_shown_in_minutes(tmp_path: Path) -> None:
    activity = Activity(tmp_path, worker="gw0")
    activity("compiling")
    write_json(tmp_path / "gw0.activity", {"item": "", "what": "compiling", "since": NOW - 125})
    (doing,) = read_activities(tmp_path, now=NOW)
    assert str(doing) == "gw0: compiling (2:05)"
