"""Floor 3: the build dependencies of a job, as apt resolves them, ready in layers."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path

from farm.base.activity import Tell
from farm.base.errors import FarmFault
from farm.base.files import digest_of, link_or_copy, read_json, sha256_of, write_json
from farm.build.aptview import AptView, Deb, Extra, flat_repository
from farm.build.chroots import Base
from farm.build.layers import Choice, Layered, Layers
from farm.build.plan import Job
from farm.model.artifact import BinaryPackage, Build
from farm.model.layout import Layout
from farm.source.archive import Archive
from farm.source.package import build_depends

_ESSENTIAL = ("build-essential", "fakeroot")
_COMMON = (*_ESSENTIAL, "debhelper")


class Dependencies:
    """Resolves and installs what a job builds with."""

    def __init__(self, layout: Layout, *, archive: Archive, base: Base, tell: Tell) -> None:
        self._layout = layout
        self._archive = archive
        self._base = base
        self._layers = Layers(layout, tell=tell)
        self._tell = tell

    def resolve(self, job: Job, builds: Sequence[Build]) -> dict[Deb, Choice]:
        """Give the exact set of packages that a job builds with, on disk.

        :param builds: the farm's builds that it may take packages from.
        :raises InstallFailed: when apt finds no solution.
        """
        own = {each.file.name: each for build in builds for each in build.binaries}
        words = self._words(job)
        cached = self._cached(job, own)
        choices = self._recall(cached, own)
        if choices is None:
            self._tell("resolving build dependencies")
            view = AptView(self._layout, archive=self._archive, status=self._base.status,
                           extra=self._offer(own) if own else None)  # fmt: skip
            choices = _choose(view, words, own)
            _keep(cached, choices)
        return choices

    def install(self, choices: Mapping[Deb, Choice]) -> Layered:
        """Give layers with exactly these packages.

        What nearly every build asks for is a layer of its own, which others are put on.
        """
        ready = self._layers.find(self._base, choices)
        if ready:
            return ready
        common = self.resolve_packages(_COMMON)
        if set(common.values()) < set(choices.values()):
            self._layers.ensure(self._base, common)
        return self._layers.ensure(self._base, choices)

    def resolve_packages(self, words: Sequence[str]) -> dict[Deb, Choice]:
        """Give the exact set that ``apt-get install`` adds to the base, on disk.

        :param words: names of the distribution's packages, in the forms that apt-get(8) takes.
        :raises InstallFailed: when apt finds no solution.
        """
        cached = self._layout.cache / "resolutions" / f"{self._digest(list(words))}.json"
        choices = self._recall(cached, {})
        if choices is None:
            view = AptView(self._layout, archive=self._archive, status=self._base.status)
            choices = _choose(view, ["install", *words], {})
            _keep(cached, choices)
        return choices

    def _digest(self, parts: object) -> str:
        return digest_of([self._archive.identity(), self._base.key, parts])[:32]

    def _cached(self, job: Job, own: Mapping[str, BinaryPackage]) -> Path:
        wanted = dict(build_depends(job.source.dsc.path))
        offered = sorted(each.file.identity for each in own.values())
        digest = self._digest([wanted, offered, job.profiles])
        return self._layout.cache / "resolutions" / f"{digest}.json"

    def _words(self, job: Job) -> list[str]:
        profiles = [f"--build-profiles={','.join(job.profiles)}"] if job.profiles else []
        # What the farm's builders need beside what the package declares (Debian Policy 4.2).
        essential = [f"-oAPT::Build-Essential::={name}" for name in _ESSENTIAL]
        return [*essential, *profiles, "build-dep", str(job.source.dsc.path)]

    def _recall(self, cached: Path, own: Mapping[str, BinaryPackage]) -> dict[Deb, Choice] | None:
        if not cached.exists():
            return None
        choices = {}
        for name, version, architecture, sha256 in read_json(cached):
            deb = Deb(name, version, architecture)
            path = _path_of(deb, own) or self._layout.debs / deb.file_name
            if not path.exists():
                return None
            choices[deb] = Choice(deb, path, sha256)
        return choices

    def _offer(self, own: Mapping[str, BinaryPackage]) -> Extra:
        folder = (
            self._layout.cache
            / "offers"
            / digest_of(sorted(each.file.identity for each in own.values()))[:24]
        )
        for each in own.values():
            with contextlib.suppress(FileExistsError):
                link_or_copy(each.file.path, folder / each.file.name)
        return flat_repository(folder, stanzas=[_stanza(each) for each in own.values()])


def _keep(path: Path, choices: Mapping[Deb, Choice]) -> None:
    write_json(path, [[*astuple(deb), choice.sha256] for deb, choice in choices.items()])


def _choose(
    view: AptView, words: Sequence[str], own: Mapping[str, BinaryPackage]
) -> dict[Deb, Choice]:
    debs = view.solve(*words)
    foreign = [deb for deb in debs if not _path_of(deb, own)]
    paths = view.download(*words, debs=foreign)
    choices = {}
    for deb in debs:
        path = _path_of(deb, own) or paths.get(deb)
        if path is None:
            raise FarmFault(f"apt did not download {deb.file_name}.", hint="Try again.")
        choices[deb] = Choice(deb, path, sha256_of(path))
    return choices


def _path_of(deb: Deb, own: Mapping[str, BinaryPackage]) -> Path | None:
    for each in own.values():
        if (each.name, each.version, each.architecture) == (
            deb.name, deb.version, deb.architecture):  # fmt: skip
            return each.file.path
    return None


def _stanza(package: BinaryPackage) -> str:
    fields = [f"{name}: {value}" for name, value in package.fields]
    file = package.file
    tail = [f"Filename: ./{file.name}", f"Size: {file.size}", f"SHA256: {file.sha256}"]
    return "\n".join([*fields, *tail, ""])
