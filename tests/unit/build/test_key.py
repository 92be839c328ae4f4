"""Same inputs, same key: what counts, what does not, and how a change is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from farm.build.key import Inputs, explain_change, inputs_of
from farm.build.plan import Job
from tests.unit.build.conftest import MakeJob

NEEDS = {"libre@bookworm-amd64": "key of libre", "librem@bookworm-amd64": "key of librem"}
INPUTS = Inputs(
    source="digest", version="1.0", target="bookworm-amd64", dependencies=NEEDS,
    options=("nocheck", "terse"), profiles=("nodoc",), environment={"the chroot": "base"},
)  # fmt: skip


def key_of(
    job: Job, *, dependencies: Mapping[str, str] = NEEDS, options: tuple[str, ...] = ()
) -> str:
    return inputs_of(job, dependencies=dependencies, options=options, environment={}).key


CHANGES: dict[str, Mapping[str, object]] = {
    "source": {"source": "other digest"},
    "version": {"version": "1.1"},
    "target": {"target": "trixie-amd64"},
    "option": {"options": ("nocheck",)},
    "order of options": {"options": ("terse", "nocheck")},
    "profile": {"profiles": ()},
    "no dependencies": {"dependencies": {}},
    "dependency built anew": {"dependencies": NEEDS | {"libre@bookworm-amd64": "other"}},
    "one dependency more": {"dependencies": NEEDS | {"other@bookworm-amd64": "key"}},
    "no environment": {"environment": {}},
    "chroot": {"environment": {"the chroot": "newer"}},
}


@pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES)
def test_every_input_counts(changed: Mapping[str, object]) -> None:
    assert replace(INPUTS, **changed).key != INPUTS.key  # type: ignore[arg-type]


def test_a_new_way_of_building_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = INPUTS.key
    monkeypatch.setattr("farm.build.key.FORMAT", 1000)
    assert INPUTS.key != before


def test_the_order_in_which_dependencies_are_found_does_not_count(make_job: MakeJob) -> None:
    job = make_job("app")
    assert key_of(job) == key_of(job, dependencies=dict(reversed(NEEDS.items())))


def test_where_the_source_lies_and_what_farm_toml_calls_it_does_not_count(
    make_job: MakeJob,
) -> None:
    job = make_job("app")
    elsewhere = replace(job.source.dsc, path=Path("/elsewhere/app_1.0.dsc"))
    moved = replace(job.source, dsc=elsewhere, origin="another mirror")
    assert key_of(replace(job, package="renamed", source=moved)) == key_of(job)


def test_what_a_job_says_of_itself_counts(make_job: MakeJob) -> None:
    job = make_job("app")
    others = [
        key_of(make_job("app", target="trixie-amd64")),
        key_of(replace(job, profiles=("nodoc",))),
        key_of(replace(job, source=replace(job.source, digest="other"))),
        key_of(job, options=("nocheck",)),
        key_of(job),
    ]
    assert len(set(others)) == len(others)


def test_a_key_is_the_same_for_ever() -> None:
    """What was built yesterday is found today: this changes with FORMAT only."""
    assert INPUTS.key == replace(INPUTS).key
    assert len(INPUTS.key) == 64
    assert INPUTS.record()["format"] >= 1


# How a change is told.


def explain(**changed: object) -> list[str]:
    now = replace(INPUTS, **changed)  # type: ignore[arg-type]
    return explain_change(INPUTS.record(), now.record())


def test_nothing_changed() -> None:
    assert explain() == []


def test_the_source_changed_with_and_without_its_version() -> None:
    assert explain(source="other") == ["its source changed"]
    assert explain(source="other", version="1.1") == ["its source changed (1.0 -> 1.1)"]


def test_settings_changed() -> None:
    assert explain(options=()) == ["its build options changed"]
    assert explain(profiles=()) == ["its build profiles changed"]
    assert explain(target="trixie-amd64") == ["its target changed"]


def test_the_farm_changed() -> None:
    old = INPUTS.record() | {"format": 0}
    assert explain_change(old, INPUTS.record()) == ["the farm builds in another way than before"]


def test_what_it_is_built_with_changed() -> None:
    needs = {"libre@bookworm-amd64": "another key", "new@bookworm-amd64": "key"}
    assert explain(dependencies=needs) == [
        "libre@bookworm-amd64, which it is built with, was built anew",
        "it is now built with new@bookworm-amd64",
        "it is no longer built with librem@bookworm-amd64",
    ]


def test_the_distribution_changed() -> None:
    now = {"the chroot": "newer", "debhelper": "sha256"}
    assert explain(environment=now) == [
        "the chroot, which it is built with, changed",
        "it is now built with debhelper",
    ]


def test_several_changes_are_all_told() -> None:
    assert len(explain(source="other", options=(), dependencies={}, environment={})) == 5


def test_a_record_of_an_older_farm_is_compared_as_far_as_it_goes() -> None:
    told = explain_change({"format": 0}, INPUTS.record())
    assert told[0] == "the farm builds in another way than before"
    assert "it is now built with libre@bookworm-amd64" in told
