"""Floor 3: the packages of a run: their sources, and who is built before whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from farm.base.errors import AuditFailed
from farm.model.artifact import SourcePackage
from farm.model.graph import Graph
from farm.model.relations import depended_names
from farm.model.target import Target
from farm.source.package import build_depends

_FIELDS = ("Build-Depends", "Build-Depends-Indep", "Build-Depends-Arch")


def job_name(package: str, target: Target) -> str:
    """Name one build: ``libre@bookworm-amd64``."""
    return f"{package}@{target}"


@dataclass(frozen=True)
class Job:
    """One package to be built for one target."""

    package: str
    target: Target
    source: SourcePackage
    profiles: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """See :func:`job_name`."""
        return job_name(self.package, self.target)


@dataclass(frozen=True)
class Plan:
    """All builds of a workspace, and the graph of who needs whom, by job name."""

    jobs: Mapping[str, Job]
    graph: Graph[str]

    def needs(self, name: str) -> tuple[str, ...]:
        """Give the jobs that one needs directly."""
        return tuple(self.graph.needs[name])

    def providers(self, target: Target) -> dict[str, str]:
        """Give binary package name to job name, on one target."""
        jobs = [job for job in self.jobs.values() if job.target == target]
        return {binary: job.name for job in jobs for binary in job.source.binaries}

    def closure(self, names: Iterable[str]) -> tuple[str, ...]:
        """Give jobs and all that they need, in build order."""
        return self.graph.closure(names)


def make_plan(jobs: Iterable[Job]) -> Plan:
    """Find the order of builds from the sources' own build dependencies.

    :raises InputError: when packages need each other in a circle; all members are named.
    :raises AuditFailed: when two packages claim the same binary package.
    """
    by_name = {job.name: job for job in sorted(jobs, key=lambda job: job.name)}
    makers = _makers(by_name.values())
    needs: dict[str, list[str]] = {}
    for name, job in by_name.items():
        wanted = _build_dependencies(job)
        found = {makers[binary, job.target] for binary in wanted if (binary, job.target) in makers}
        needs[name] = sorted(found - {name})
    return Plan(by_name, Graph(needs))


def _makers(jobs: Iterable[Job]) -> dict[tuple[str, Target], str]:
    makers: dict[tuple[str, Target], str] = {}
    for job in jobs:
        for binary in job.source.binaries:
            other = makers.setdefault((binary, job.target), job.name)
            if other != job.name:
                raise AuditFailed(
                    f"Both {other} and {job.name} build a binary package {binary}.",
                    hint="One of them has to leave it out, or the package another name.",
                )
    return makers


def _build_dependencies(job: Job) -> set[str]:
    fields = build_depends(job.source.dsc.path)
    names: set[str] = set()
    for field in _FIELDS:
        names |= depended_names(
            fields.get(field, ""), architecture=job.target.architecture, profiles=job.profiles
        )
    return names
