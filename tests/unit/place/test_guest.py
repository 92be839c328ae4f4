"""What is said to the login shell of a machine: nothing of it is the shell's to read."""

from __future__ import annotations

import shlex

from farm.place.guest import _remote_line


def words(line: str) -> list[str]:
    return shlex.split(line)


def test_root_runs_it_where_it_is_to_run_and_with_no_other_variables() -> None:
    line = _remote_line(["echo", "a b; reboot"], user="root", cwd="/srv/a b", env={"X": "$HOME"})
    found = words(line)
    assert found[:4] == ["cd", "/srv/a b", "&&", "exec"]
    assert found[4:6] == ["env", "-i"]
    assert "X=$HOME" in found
    assert found[-2:] == ["echo", "a b; reboot"]
    assert "'a b; reboot'" in line


def test_an_ordinary_user_is_asked_of_runuser() -> None:
    found = words(_remote_line(["id"], user="farm", cwd="/", env=None))
    assert found[4:8] == ["runuser", "-u", "farm", "--"]
    assert "HOME=/home/farm" in found
