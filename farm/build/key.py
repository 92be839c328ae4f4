"""Floor 3: the key of a build, the digest of all that goes in, and what changed since the last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from farm.base.files import digest_of
from farm.build.deb import FORMAT
from farm.build.plan import Job


@dataclass(frozen=True)
class Inputs:
    """Everything that decides what a build gives.

    :param dependencies: job name to key, of the farm's own packages that it builds with.
    :param environment: digests of the chroot and of the distribution's packages in it; empty where
        the workspace rebuilds only for changes of its own (``rebuild_on = "farm"``).
    """

    source: str
    version: str
    target: str
    dependencies: Mapping[str, str]
    options: tuple[str, ...]
    profiles: tuple[str, ...]
    environment: Mapping[str, str]

    def record(self) -> dict[str, Any]:
        """Give them as a JSON-able value, with the version of the format."""
        return {
            "format": FORMAT, "source": self.source, "version": self.version,
            "target": self.target, "dependencies": dict(self.dependencies),
            "options": list(self.options), "profiles": list(self.profiles),
            "environment": dict(self.environment),
        }  # fmt: skip

    @property
    def key(self) -> str:
        """The build's key."""
        return digest_of(self.record())


def inputs_of(
    job: Job, *, dependencies: Mapping[str, str], options: tuple[str, ...],
    environment: Mapping[str, str],
) -> Inputs:  # fmt: skip
    """Gather the inputs of a job."""
    return Inputs(
        source=job.source.digest, version=job.source.version, target=str(job.target),
        dependencies=dict(sorted(dependencies.items())), options=options, profiles=job.profiles,
        environment=dict(environment),
    )  # fmt: skip


_SENTENCES = {
    "format": "the farm builds in another way than before",
    "source": "its source changed",
    "target": "its target changed",
    "options": "its build options changed",
    "profiles": "its build profiles changed",
}


def explain_change(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say in words which inputs differ between two records; nothing when none does."""
    changes = []
    for name, sentence in _SENTENCES.items():
        if before.get(name) != now.get(name):
            versions = (before.get("version"), now.get("version"))
            moved = name == "source" and versions[0] != versions[1]
            changes.append(f"{sentence} ({versions[0]} -> {versions[1]})" if moved else sentence)
    for name, what in (("dependencies", "was built anew"), ("environment", "changed")):
        old, new = dict(before.get(name, {})), dict(now.get(name, {}))
        both = sorted(each for each in old.keys() & new.keys() if old[each] != new[each])
        changes += [f"{each}, which it is built with, {what}" for each in both]
        changes += [f"it is now built with {each}" for each in sorted(new.keys() - old.keys())]
        gone = sorted(old.keys() - new.keys())
        changes += [f"it is no longer built with {each}" for each in gone]
    return changes
