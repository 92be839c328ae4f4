"""Floor 6: places for HOWTOs in prose: a fresh chroot each, or a machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from farm.plugin.context import ReleaseRun
from farm.plugin.howto_fixtures import open_trial
from farm.plugin.items import Try
from farm.plugin.prose import HowtoPlace, HowtoPlaces


def make_places(run: ReleaseRun) -> HowtoPlaces:
    """Give the function that makes the place of each HOWTO in prose."""

    @contextlib.contextmanager
    def place(package: str, target: str, extra: Sequence[str]) -> Iterator[HowtoPlace]:
        with open_trial(run, Try.parse(package, target), extra) as trial:
            yield HowtoPlace(trial.place, trial.version, trial.upstream_version, trial.user)

    return place
