"""The ledger between processes: several at once, and one that is killed."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import farm
from farm.base.run import Result, run
from farm.report.ledger import Ledger
from farm.report.records import Stage

PREAMBLE = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from farm.base.errors import AuditFailed
from farm.model.verdict import State, Verdict
from farm.report.ledger import Ledger
from farm.report.records import Claim, Kind, Publication

ledger = Ledger(Path(sys.argv[1]))
me = sys.argv[2]

def verdict(number):
    now = datetime.now(UTC)
    return Verdict(f"build/{me}[{number}]", "build", State.PASSED, "", "one", "", 1, now, me)
"""

RECORD = """
for number in range(40):
    ledger.record(verdict(number))
    ledger.record_duration("shared", seconds=1)
"""

CLAIM = """
publication = Publication(me, "s", "d", me, "", Kind.PUBLISH, datetime.now(UTC))
try:
    ledger.begin_publication(publication, claims=[Claim("a", "1", "all", me, me)])
    print("claimed")
except AuditFailed:
    print("refused")
"""

DIE_INSIDE = """
ledger.record(verdict(1))
with ledger._database.writing() as connection:
    connection.execute("DELETE FROM verdict")
    os.kill(os.getpid(), signal.SIGKILL)
"""

FORK = """
ledger.record(verdict(1))
child = os.fork()
if child == 0:
    print(ledger._database._connection_of_this_process(), flush=True)
ledger.record(verdict(2 + (child == 0)))
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
"""


def start(script: str, *, ledger: Path, name: str, ok: tuple[int, ...] = (0,)) -> Result:
    env = {"PYTHONPATH": str(Path(farm.__file__).parents[1])}
    argv = [sys.executable, "-c", PREAMBLE + script, str(ledger), name]
    return run(argv, timeout=timedelta(seconds=60), env=env, ok=ok)


def start_both(script: str, *, ledger: Path) -> list[Result]:
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(start, script, ledger=ledger, name=name) for name in ("x", "y")]
        return [run.result() for run in runs]


def test_two_processes_make_the_ledger_and_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    start_both(RECORD, ledger=path)
    ledger = Ledger(path)
    assert len(ledger.verdicts("one")) == 80
    assert ledger.durations() == {"shared": 1}
    ledger.close()


def test_of_two_processes_with_other_contents_one_is_refused(tmp_path: Path) -> None:
    results = start_both(CLAIM, ledger=tmp_path / "ledger.sqlite")
    assert sorted(result.stdout.strip() for result in results) == ["claimed", "refused"]
    ledger = Ledger(tmp_path / "ledger.sqlite")
    assert len(ledger.publications(stage=Stage.BEGUN)) == 1
    ledger.close()


def test_a_process_killed_in_a_transaction_leaves_what_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    start(DIE_INSIDE, ledger=path, name="x", ok=(-9,))
    ledger = Ledger(path)
    assert list(ledger.verdicts("one")) == ["build/x[1]"]
    ledger.record_duration("still writable", seconds=1)
    ledger.close()


def test_a_fork_opens_a_connection_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    assert start(FORK, ledger=path, name="x").stdout == "None\n"
    ledger = Ledger(path)
    assert sorted(ledger.verdicts("one")) == ["build/x[1]", "build/x[2]", "build/x[3]"]
    ledger.close()
