"""Floor 6: places for HOWTOs in prose: a fresh chroot each, or a machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from farm.model.target import Target
from farm.plugin.context import ReleaseRun
from farm.plugin.howto_fixtures import open_trial
from farm.plugin.items import MACHINE, Try
from farm.plugin.prose import HowtoPlace, HowtoPlaces
from farm.release.gates import Unit


def make_places(run: ReleaseRun) -> HowtoPlaces:
    """Give the function that makes the place of each HOWTO in prose."""

    @contextlib.contextmanager
    def place(package: str, target: str, extra: Sequence[str]) -> Iterator[HowtoPlace]:
        name, machine, _ = target.partition(MACHINE)
        unit = Unit(package, Target.parse(name))
        with open_trial(run, Try(unit, on_machine=bool(machine)), extra) as trial:
            yield HowtoPlace(trial.place, trial.version, trial.upstream_version, trial.user)

    return place
