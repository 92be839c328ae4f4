"""What a workshop and a run refuse before they publish, promote or sign anything."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from farm.base.errors import InputError, PromotionRefused
from farm.base.files import write_json
from farm.plugin.context import ReleaseRun
from farm.plugin.options import Options
from farm.release.workshop import Workshop
from farm.repo.snapshot import Snapshots
from farm.repo.state import Snapshot
from tests.unit.cli.sample import Sample
from tests.unit.release.candidate_sample import binary, build, candidate, snapshot

_FINGERPRINT = "A" * 40


class Pointers:
    """What repositories hold, and nothing more of snapshots."""

    def __init__(self, **current: Snapshot) -> None:
        self._current = current

    def current(self, repository: str) -> Snapshot | None:
        return self._current.get(repository)


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    """A workshop in which rc holds what somebody else has published."""
    sample = Sample(tmp_path)
    sample.package("web")
    theirs = snapshot(build("web", binary("web")), root=tmp_path)
    theirs = dataclasses.replace(theirs, id="theirs", fingerprint=_FINGERPRINT)
    with closing(sample.open()) as workshop:
        workshop.snapshots = cast("Snapshots", Pointers(rc=theirs))
        yield workshop


def release(workshop: Workshop, repository: str) -> ReleaseRun:
    """A run that has not done anything yet."""
    options = Options(release=repository, packages=(), targets=(), promote="")
    run = ReleaseRun(workshop.workspace, options, run="run-1")
    run.workshop = workshop
    run.folder.mkdir(parents=True, exist_ok=True)
    return run


def test_no_candidate_is_made_of_a_repository_that_takes_over_another(workshop: Workshop) -> None:
    with pytest.raises(InputError, match="production takes over what rc holds") as refused:
        workshop.candidate("production", [])
    assert refused.value.hint == "pytest --release rc --promote production"
    assert not (workshop.layout.keys / "production").exists()


def test_nothing_is_published_to_a_repository_that_takes_over_another(workshop: Workshop) -> None:
    with pytest.raises(InputError, match="it is not released to"):
        workshop.publish("production", candidate(build("web")))


def test_a_run_cannot_release_to_a_repository_that_takes_over_another(workshop: Workshop) -> None:
    with pytest.raises(InputError, match="production takes over what rc holds"):
        release(workshop, "production").check_options()
    release(workshop, "rc").check_options()


def test_a_run_promotes_nothing_before_it_has_published(workshop: Workshop) -> None:
    with pytest.raises(PromotionRefused, match="this run has not published rc"):
        release(workshop, "rc").promote("production")


def test_a_run_does_not_promote_what_somebody_else_has_released_since(workshop: Workshop) -> None:
    run = release(workshop, "rc")
    write_json(run.folder / "outcome.json", {"sentence": "", "changed": True, "snapshot": "ours"})
    with pytest.raises(PromotionRefused, match="rc holds theirs by now, and not ours"):
        run.promote("production")


def test_a_lost_key_of_a_published_repository_is_not_replaced(workshop: Workshop) -> None:
    with pytest.raises(InputError, match="users trust only that one") as refused:
        workshop.key("rc")
    assert _FINGERPRINT in refused.value.brief
    assert "Put that folder back from your copy." in refused.value.hint
    assert not (workshop.layout.keys / "rc").exists()
