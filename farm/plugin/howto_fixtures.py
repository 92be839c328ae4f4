"""Floor 6: the fixtures of HOWTOs in Python, which exist in the folder of HOWTOs alone.

Elsewhere ``host`` is the one of pytest-testinfra, and ``package`` whatever others mean by it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from farm.plugin.context import ReleaseRun
from farm.plugin.items import Try, Where
from farm.plugin.machine_fixtures import upgrade_of
from farm.plugin.testinfra_host import host_in
from farm.release.chroot import Installation
from farm.release.machine_trial import try_on_machine
from farm.release.machines import Running
from farm.release.trial import Trial, try_package

_COMMAND = timedelta(minutes=5)


@dataclass(frozen=True)
class Tried:
    """What a HOWTO may want to know of the package it tries."""

    name: str
    version: str
    upstream_version: str


def register(folder: pytest.Directory) -> None:
    """Let all items below a folder have the fixtures."""
    for fixture in (farm_trial, host, package):
        pytest.register_fixture(name=fixture.__name__, func=fixture, node=folder)


@contextlib.contextmanager
def open_trial(run: ReleaseRun, where: Try, extra: Sequence[str]) -> Iterator[Trial]:
    """Give a fresh chroot, or a machine, on which a unit is installed from the candidate."""
    workshop, unit = run.workshop, where.unit
    candidate = run.candidate_with(unit)
    archive, base = workshop.archive(unit.target), workshop.base(unit.target)
    what = Installation(candidate, unit, archive, base, tuple(sorted(set(extra))))
    if where.where is Where.CHROOT:
        context = try_package(workshop.layout, what, tell=workshop.tell)
    else:
        context = try_on_machine(_machine(run, where), workshop.layout, what)
    with context as trial:
        yield trial


def _machine(run: ReleaseRun, where: Try) -> AbstractContextManager[Running]:
    subject = run.workshop.subject(run.whole_candidate(), where.unit.target)
    if where.where is Where.MACHINE:
        return run.workshop.machines.clone(subject, purpose=f"{where.unit} on a machine")
    upgrade = upgrade_of(run, where.unit.target)
    if upgrade is None:
        pytest.skip("users have exactly this, and had nothing before")
    return upgrade.upgraded(purpose=f"{where.unit} on an upgraded machine")


def farm_trial(release_run: ReleaseRun, request: pytest.FixtureRequest) -> Iterator[Trial]:
    """Give the chroot in which the package of a HOWTO is installed."""
    extra = [name for mark in request.node.iter_markers("farm_install") for name in mark.args]
    with open_trial(release_run, request.param, extra) as trial:
        yield trial


def host(farm_trial: Trial) -> Any:
    """Give testinfra's host for the chroot of a HOWTO."""
    return host_in(farm_trial.place, timeout=_COMMAND)


def package(farm_trial: Trial) -> Tried:
    """Give name and version of the package that a HOWTO tries."""
    return Tried(farm_trial.package, farm_trial.version, farm_trial.upstream_version)
