"""``farm log``: who let which repository become what, and when."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

import pytest

from farm.report.records import Kind, Publication
from tests.unit.cli.conftest import Command
from tests.unit.cli.sample import WHEN, Sample


@pytest.fixture
def published(sample: Sample) -> Sample:
    """A workspace in which three things were published, of which one is not complete."""
    with closing(sample.open()) as workshop:
        for number, (repository, kind, previous) in enumerate(
            [("rc", Kind.PUBLISH, ""), ("production", Kind.PROMOTE, "production-1"),
             ("rc", Kind.ROLLBACK, "rc-2"), ("rc", Kind.PUBLISH, "rc-1")]
        ):  # fmt: skip
            publication = Publication(
                repository, f"{repository}-snapshot-{number}", "digest", "alice",
                f"/receipts/{number}.json", kind, WHEN + timedelta(days=number), previous,
            )  # fmt: skip
            key = workshop.ledger.begin_publication(publication, claims=())
            if number < 3:
                workshop.ledger.complete_publication(key)
    return sample


@pytest.mark.usefixtures("published")
def test_everything_the_latest_first(command: Command) -> None:
    out = command("log").out
    titles = [line.split("  ")[1] for line in out.splitlines() if line[0] != " "]
    assert titles == ["rc rolled back by alice", "production promoted by alice",
                      "rc published by alice"]  # fmt: skip
    assert "    from     rc-2\n    to       rc-snapshot-2\n    receipt  /receipts/2.json\n" in out
    assert "    from     nothing: it was its first state\n" in out


@pytest.mark.usefixtures("published")
def test_one_repository_and_only_the_latest(command: Command) -> None:
    (entry,) = command("log", "rc", "-n", "1", "--json").json
    assert (entry["repository"], entry["kind"], entry["who"]) == ("rc", "rollback", "alice")
    assert len(command("log", "rc", "--json").json) == 2


def test_nothing_yet(command: Command, sample: Sample) -> None:
    assert sample.root.is_dir()
    assert command("log").out == "Nothing was published yet.\n"
    assert command("log", "production").out == "production was never published.\n"
    assert command("log", "--json").json == []


@pytest.mark.usefixtures("sample")
def test_mistakes(command: Command) -> None:
    answer = command("log", "prodction")
    assert answer.status == 2
    assert "did you mean production?" in answer.err
    assert command("log", "-n", "0").status == 2
