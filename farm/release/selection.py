"""Floor 5: which packages a release takes along: those asked for, and all that these need."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from debian.deb822 import Deb822

from farm.build.plan import Plan

_FIELDS = ("Pre-Depends", "Depends")
# The names in a relationship field: deb-src-control(5). Versions and variables are passed over.
_NAME = re.compile(r"(?:^|[,|])\s*([a-z0-9][a-z0-9.+-]+)")


def select(plan: Plan, names: Iterable[str], *, folders: Mapping[str, Path]) -> tuple[str, ...]:
    """Give jobs and all that they need to be built and to be installed, in build order.

    What a package needs to run is known before it is built only where the workspace has its
    packaging; packages of the distribution find theirs in the distribution too.

    :param names: of the jobs asked for.
    :param folders: of the packages that the workspace has itself, by package.
    :raises InputError: for a job that the plan does not have.
    """
    chosen = set(plan.closure(names))
    todo = list(chosen)
    while todo:
        job = plan.jobs[todo.pop()]
        if job.package in folders:
            makers = plan.providers(job.target)
            needs = _run_time_needs(folders[job.package]) & makers.keys()
            fresh = set(plan.closure(makers[each] for each in needs)) - chosen
            chosen |= fresh
            todo += fresh
    return plan.closure(chosen)


def _run_time_needs(folder: Path) -> set[str]:
    with (folder / "debian" / "control").open(encoding="utf-8") as stream:
        paragraphs = list(Deb822.iter_paragraphs(stream, use_apt_pkg=False))
    fields = [each.get(name, "") for each in paragraphs for name in _FIELDS]
    return {name for field in fields for name in _NAME.findall(field)}
