"""Floor 5: what a release would fail for in the end, found before anything is built."""

from __future__ import annotations

from collections.abc import Iterable

from farm.config.choices import RebuildOn
from farm.model.target import Target
from farm.release.workshop import Workshop


def check_ready(workshop: Workshop, jobs: Iterable[str], *, repositories: Iterable[str]) -> None:
    """See that configured keys can sign, and that the archives needed for builds can be trusted.

    Keys that the farm makes itself are made on first use, not here. An archive is asked only when
    something is to be built for its target.

    :param jobs: those selected, by name.
    :param repositories: that are to be published.
    :raises InputError: when a key is missing, expired or revoked, or an archive is not signed by
        the keys that the configuration names.
    :raises FarmFault: when an archive cannot be reached.
    """
    for repository in repositories:
        if workshop.workspace.repository(repository).key:
            workshop.key(repository)
    for target in sorted(_targets_to_build_for(workshop, jobs)):
        workshop.archive(target)


def _targets_to_build_for(workshop: Workshop, jobs: Iterable[str]) -> set[Target]:
    targets = {name: workshop.plan().jobs[name].target for name in jobs}
    if workshop.workspace.policy.rebuild_on is RebuildOn.EVERYTHING:
        return set(targets.values())  # what is to be built is only known from the archive
    return {target for name, target in targets.items() if not workshop.builder.find(name)}
