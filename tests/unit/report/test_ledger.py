from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from farm.base.errors import AuditFailed, FarmFault
from farm.model.verdict import State, Verdict
from farm.report.database import MIGRATIONS
from farm.report.ledger import Ledger
from farm.report.records import Claim, Kind, Publication, Stage

NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
ITEM = "build/build[sipsak@bookworm-amd64]"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    yield ledger
    ledger.close()


def verdict(
    state: State = State.PASSED, *, item: str = ITEM, digest: str = "one", inputs: str = ""
) -> Verdict:
    reason = "" if state is State.PASSED else "it says why"
    return Verdict(item, item.split("/")[0], state, reason, digest, inputs, 2.5, NOW, "run-1")


def publication(repository: str = "rc", *, snapshot: str = "s1") -> Publication:
    return Publication(repository, snapshot, "digest", "alice", "receipt", Kind.PUBLISH, NOW)


def claim(sha256: str = "a" * 64, *, version: str = "1.0", where: str = "rc") -> Claim:
    return Claim("sipsak", version, "amd64", sha256, where)


def test_a_verdict_comes_back_as_it_was_recorded(ledger: Ledger) -> None:
    ledger.record(verdict(State.FAULT))
    assert ledger.verdicts("one") == {ITEM: verdict(State.FAULT)}


def test_verdicts_are_of_exactly_one_digest(ledger: Ledger) -> None:
    ledger.record(verdict(digest="one"))
    assert ledger.verdicts("two") == {}


def test_the_latest_verdict_counts(ledger: Ledger) -> None:
    ledger.record(verdict(State.PASSED), verdict(State.FAILED))
    assert ledger.verdicts("one")[ITEM].state is State.FAILED


def test_what_passed_on_the_same_digest_and_inputs_need_not_run_again(ledger: Ledger) -> None:
    ledger.record(verdict(inputs="code-1"))
    assert ledger.recorded_pass(ITEM, digest="one", inputs="code-1") == verdict(inputs="code-1")
    assert ledger.recorded_pass(ITEM, digest="one", inputs="code-2") is None
    assert ledger.recorded_pass(ITEM, digest="two", inputs="code-1") is None


def test_what_failed_since_it_passed_runs_again(ledger: Ledger) -> None:
    ledger.record(verdict(State.PASSED), verdict(State.FAILED))
    assert ledger.recorded_pass(ITEM, digest="one", inputs="") is None


def test_expectations_are_kept_by_the_content_of_their_file(ledger: Ledger) -> None:
    ledger.expect("old", gate="howto", source="howtos/a.md", items=["one", "two"])
    ledger.expect("new", gate="howto", source="howtos/a.md", items=["one"])
    ledger.expect("new", gate="howto", source="howtos/a.md", items=["one", "three"])
    assert ledger.expectations("old", gate="howto") == {"howtos/a.md": ("one", "two")}
    assert ledger.expectations("new", gate="howto") == {"howtos/a.md": ("one", "three")}
    assert ledger.expectations("new", gate="install") == {}


def test_durations_follow_what_is_seen(ledger: Ledger) -> None:
    ledger.record_duration("libre", seconds=10)
    ledger.record_duration("libre", seconds=20)
    assert ledger.durations() == {"libre": 15}


def test_a_published_version_keeps_its_content(ledger: Ledger) -> None:
    number = ledger.begin_publication(publication(), claims=[claim()])
    ledger.complete_publication(number)
    assert ledger.conflicts([claim(where="dev"), claim("b" * 64, version="1.1")]) == []
    (found,) = ledger.conflicts([claim("b" * 64, where="dev")])
    assert found.holder == claim()
    with pytest.raises(AuditFailed, match=r"dev cannot take sipsak 1\.0 amd64"):
        ledger.begin_publication(publication("dev"), claims=[claim("b" * 64, where="dev")])
    assert ledger.publications("dev", stage=Stage.BEGUN) == []


def test_one_publication_may_not_contradict_itself(ledger: Ledger) -> None:
    assert len(ledger.conflicts([claim(), claim("b" * 64)])) == 1


def test_a_publication_on_its_way_counts_against_others_until_abandoned(ledger: Ledger) -> None:
    number = ledger.begin_publication(publication(), claims=[claim()])
    assert ledger.conflicts([claim("b" * 64, where="dev")])
    ledger.abandon_publication(number)
    assert not ledger.conflicts([claim("b" * 64, where="dev")])
    assert ledger.publications() == []


def test_publications_are_listed_oldest_first(ledger: Ledger) -> None:
    for repository, snapshot in (("rc", "s1"), ("dev", "s2"), ("rc", "s3")):
        number = ledger.begin_publication(publication(repository, snapshot=snapshot), claims=[])
        ledger.complete_publication(number)
    assert [p.snapshot for p in ledger.publications()] == ["s1", "s2", "s3"]
    assert [p.snapshot for p in ledger.publications("rc")] == ["s1", "s3"]
    assert {p.stage for p in ledger.publications()} == {Stage.DONE}


def test_completing_twice_is_harmless_but_not_after_abandoning(ledger: Ledger) -> None:
    number = ledger.begin_publication(publication(), claims=[claim()])
    ledger.complete_publication(number)
    ledger.complete_publication(number)
    with pytest.raises(FarmFault, match="already done"):
        ledger.abandon_publication(number)
    with pytest.raises(FarmFault, match="not known"):
        ledger.complete_publication(number + 1)


def test_the_ledger_of_a_newer_farm_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(FarmFault, match="newer farm"):
        Ledger(path).durations()


def test_a_ledger_of_an_older_farm_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Ledger(tmp_path / "ledger.sqlite")
    old.record(verdict())
    old.close()
    more = (*MIGRATIONS, ("CREATE TABLE news (text TEXT)",))
    monkeypatch.setattr("farm.report.database.MIGRATIONS", more)
    new = Ledger(tmp_path / "ledger.sqlite")
    assert new.verdicts("one") == {ITEM: verdict()}
    new.close()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM news").fetchone() == (0,)
    connection.close()


def test_a_file_that_is_no_ledger_gives_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_text("this is not a database, and long enough to be looked at" * 20)
    with pytest.raises(FarmFault, match="cannot be used: file is not a database"):
        Ledger(path).durations()
