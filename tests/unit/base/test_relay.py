"""A command that a person talks to, here without a person: nothing is between it and its files.

With a terminal it is tried in tests/integration/test_shell.py.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.run import Result, run

MINUTE = timedelta(minutes=1)
_PROGRAM = """
import sys
from pathlib import Path
from farm.base.relay import converse, is_talking
assert not is_talking()
print("before")
sys.exit(converse(["sh", "-c", sys.argv[1]], cwd=Path(sys.argv[2])))
"""


def talk(script: str, cwd: Path, *, text: str = "") -> Result:
    return run([sys.executable, "-c", _PROGRAM, script, cwd], timeout=MINUTE, input=text, ok=None,
               cwd=Path(__file__).parents[3])  # fmt: skip


def test_input_output_and_errors_are_its_own(tmp_path: Path) -> None:
    done = talk("cat; pwd; echo error >&2", tmp_path, text="text\n")
    assert done.stdout.splitlines() == ["before", "text", str(tmp_path)]
    assert done.stderr == "error\n"


@pytest.mark.parametrize(("script", "status"), [
    ("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143),
])  # fmt: skip
def test_exit_statuses(tmp_path: Path, script: str, status: int) -> None:
    assert talk(script, tmp_path).returncode == status


def test_it_is_alone_in_a_session(tmp_path: Path) -> None:
    """So it cannot have the terminal of who started it."""
    done = talk("cut -d ' ' -f 1,5,6,7 /proc/$$/stat", tmp_path)
    pid, group, session, terminal = done.stdout.split()[1:]
    assert pid == group == session
    assert terminal == "0"


def test_variables_of_the_caller_are_not_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hidden")
    assert "hidden" not in talk("env", tmp_path).stdout
