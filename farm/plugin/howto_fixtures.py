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

from farm.base.errors import ProductFailure
from farm.plugin.context import ReleaseRun
from farm.plugin.items import ERROR, Try, Where
from farm.plugin.machine_fixtures import former_of, upgrade_of
from farm.plugin.testinfra_host import host_in
from farm.release.chroot import Installation
from farm.release.gates import Unit
from farm.release.machine_trial import try_on_machine
from farm.release.machines import Running
from farm.release.trial import Trial, try_package
from farm.release.wishes import Subject

_COMMAND = timedelta(minutes=5)
_NO_UPGRADE = "users have exactly this, and had nothing before"


class _HowtoIsRed(Exception):
    """A test has failed, of which its fixtures know nothing otherwise."""


class NothingToTry(ProductFailure):
    """Users do not have the package that a HOWTO is about."""


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
    former = _former(run, unit) if where.where is Where.BEFORE else None
    candidate = former.candidate if former else run.candidate_with(unit)
    archive, base = workshop.archive(unit.target), workshop.base(unit.target)
    what = Installation(candidate, unit, archive, base, tuple(sorted(set(extra))))
    if where.where is Where.CHROOT:
        context = try_package(workshop.layout, what, tell=workshop.tell)
    else:
        machine = _machine_of(run, unit, former) if former else _machine(run, where)
        context = try_on_machine(machine, workshop.layout, what)
    with context as trial:
        yield trial


def _former(run: ReleaseRun, unit: Unit) -> Subject:
    """Give what users have of a unit.

    :raises NothingToTry: when they do not have it.
    """
    former = former_of(run, unit.target)
    if former is None:
        pytest.skip(_NO_UPGRADE)
    if unit not in former.candidate.builds:
        raise NothingToTry(f"users have no {unit.package} yet")
    return former


def _machine_of(run: ReleaseRun, unit: Unit, former: Subject) -> AbstractContextManager[Running]:
    """Give a machine of what users have; it need not be kept, for nobody can mend it."""
    purpose = f"{unit} before its upgrade"
    return run.workshop.machines.clone(former, purpose=purpose, keep=False)


def _machine(run: ReleaseRun, where: Try) -> AbstractContextManager[Running]:
    subject = run.workshop.subject(run.whole_candidate(), where.unit.target)
    machines = run.workshop.machines
    if where.where is Where.MACHINE:
        purpose = f"{where.unit} on a machine"
        return machines.clone(subject, purpose=purpose, keep=not machines.boxes.has_kept(purpose))
    upgrade = upgrade_of(run, where.unit.target)
    if upgrade is None:
        pytest.skip(_NO_UPGRADE)
    purpose = f"{where.unit} on an upgraded machine"
    return upgrade.upgraded(purpose=purpose, keep=not machines.boxes.has_kept(purpose))


def farm_trial(release_run: ReleaseRun, request: pytest.FixtureRequest) -> Iterator[Trial]:
    """Give the chroot in which the package of a HOWTO is installed."""
    extra = [name for mark in request.node.iter_markers("farm_install") for name in mark.args]
    with (
        contextlib.suppress(_HowtoIsRed),
        open_trial(release_run, request.param, extra) as trial,
    ):
        yield trial
        error = request.node.stash.get(ERROR, None)
        if error is not None and not isinstance(error, pytest.skip.Exception):
            raise _HowtoIsRed(str(error))  # a machine is kept by that


def host(farm_trial: Trial) -> Any:
    """Give testinfra's host for the chroot of a HOWTO."""
    return host_in(farm_trial.place, timeout=_COMMAND)


def package(farm_trial: Trial) -> Tried:
    """Give name and version of the package that a HOWTO tries."""
    return Tried(farm_trial.package, farm_trial.version, farm_trial.upstream_version)
