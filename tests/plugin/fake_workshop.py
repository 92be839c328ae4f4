"""A plugin that lets pytest release a workspace without chroots, signatures and repositories.

Sources, plan, keys of builds, the store, the ledger and the gates are real. What would take long
is made of small files: ``fail/NAME`` makes the build of a package fail, ``did`` says what was
done, ``published/REPOSITORY`` is what a repository holds. HOWTOs run on this host, in a folder.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from farm.base.errors import BuildFailed, FarmFault, InstallFailed
from farm.base.files import sha256_of, temporary
from farm.base.run import Result, run
from farm.build.builder import Builder
from farm.build.chroots import Base
from farm.build.collect import Product
from farm.build.key import Inputs
from farm.build.plan import Job
from farm.model.artifact import BinaryPackage, Build, StoredFile
from farm.model.target import Target
from farm.place.overlay import Overlay
from farm.plugin import context, howto_fixtures
from farm.release import checks
from farm.release.candidate import Candidate, merge
from farm.release.chroot import Installation
from farm.release.conditions import check_order
from farm.release.order import Outcome
from farm.release.trial import Trial
from farm.release.workshop import Workshop
from farm.repo.content import Content
from farm.repo.state import Snapshot
from farm.report.records import Kind
from farm.source.archive import Archive

HERE = Path.cwd()


def note(text: str) -> None:
    """Write down what was done."""
    with (HERE / "did").open("a") as stream:
        stream.write(f"{text}\n")


def trouble(kind: str, name: str) -> str:
    """What a test wants to go wrong."""
    path = HERE / kind / name
    return path.read_text() if path.exists() else ""


class QuickBuilder(Builder):
    """Makes packages that hold nothing but their name."""

    def _build(self, job: Job, inputs: Inputs, builds: Mapping[str, Build]) -> None:
        note(f"build {job.name}")
        times = trouble("fault", job.package)
        if times:
            (HERE / "fault" / job.package).write_text("" if times == "once" else times)
            raise FarmFault("The farm is broken.")
        if trouble("fail", job.package):
            raise BuildFailed(f"{job.name} does not build: {trouble('fail', job.package)}.")
        with temporary(self._layout.temporary, prefix="build-") as folder:
            made = folder / "made"
            made.mkdir()
            (made / "log").write_text("compiling\n")
            arch = job.target.architecture
            deb = _file(made / f"{job.package}_{arch}.deb", job.source.digest + arch)
            fields = (("Package", job.package), ("Version", job.source.version))
            binary = BinaryPackage(job.package, job.source.version, arch, deb, fields)
            product = Product(
                (binary,), _file(made / "changes", ""), _file(made / "buildinfo", "")
            )
            self._store.keep(made, key=inputs.key, target=job.target, product=product,
                             seconds=0.1, inputs=inputs.record())  # fmt: skip


def _file(path: Path, content: str) -> StoredFile:
    path.write_text(content)
    return StoredFile(path.name, sha256_of(path), path.stat().st_size, path)


class QuickWorkshop(Workshop):
    """A workshop whose repositories are files."""

    @cached_property
    def builder(self) -> Builder:
        return QuickBuilder(self.workspace, self.layout, self.plan(), ground=self.ground,
                            run=self.run, parallel=1, tell=self.tell)  # fmt: skip

    @cached_property
    def snapshots(self) -> Any:
        return SimpleNamespace(current=lambda _: None)

    def archive(self, target: Target) -> Archive:
        return cast(Archive, SimpleNamespace(target=target))

    def base(self, target: Target) -> Base:
        return Base("base", HERE)

    def candidate(self, repository: str, builds: Iterable[Build]) -> Candidate:
        content = Content("sample", tuple(builds))
        snapshot = self._snapshot(repository, content)
        note(f"candidate {content.digest}")
        return Candidate(snapshot, merge(content.builds), HERE / "key", "sample")

    def _snapshot(self, repository: str, content: Content) -> Snapshot:
        return Snapshot(
            content.digest, content.digest, repository, HERE, datetime(2024, 5, 1, tzinfo=UTC),
            content.entries, "fingerprint", own_key=True, keys=HERE, former=(),
        )  # fmt: skip

    # What users have: the file ``former`` names its packages, behind its digest.

    def former(self, repository: str, candidate: str) -> Snapshot | None:
        digest = _former()[:1]
        made = self._snapshot("production", Content("sample", ()))
        return replace(made, digest=digest[0]) if digest else None

    def offered(self, snapshot: Snapshot) -> Candidate:
        names = [name for name in self.plan().jobs if name.partition("@")[0] in _former()[1:]]
        builds = merge(self.builder.ensure(name) for name in names)
        return Candidate(snapshot, builds, HERE / "key", "sample")

    def subject(self, candidate: Candidate, target: Target) -> Any:
        return SimpleNamespace(candidate=candidate, target=target)

    @cached_property
    def machines(self) -> Any:
        return QuickMachines()

    def publish(self, repository: str, candidate: Candidate, **_: Any) -> Outcome:
        howtos = self.howtos(candidate.units)
        builds = candidate.builds.values()
        order = self.order(repository, builds, howtos=howtos, kind=Kind.PUBLISH)
        check_order(order, current=None, ledger=self.ledger)
        return self._switch(repository, candidate.snapshot)

    def _switch(self, repository: str, snapshot: Snapshot) -> Outcome:
        path = HERE / "published" / repository
        path.parent.mkdir(parents=True, exist_ok=True)
        changed = not path.exists() or path.read_text() != snapshot.id
        path.write_text(snapshot.id)
        note(f"publish {repository}")
        sentence = f"{repository} now holds {snapshot.id[:8]}."
        return Outcome(repository, snapshot, "", changed, sentence, HERE / "receipt")

    def promote(self, source: str, to: str, **_: Any) -> Outcome:
        builds = [self.builder.ensure(name) for name in self.plan().jobs]
        return self._switch(to, self.candidate(source, builds).snapshot)


def _former() -> list[str]:
    path = HERE / "former"
    return path.read_text().split() if path.exists() else []


class QuickMachines:
    """Machines that are folders of this host; ``$UPGRADED`` tells which were upgraded."""

    boxes = SimpleNamespace(
        latest=[], has_kept=lambda _: False, release_latest=lambda: None, sweep=lambda: None
    )

    def clone(self, subject: Any, *, purpose: str, keep: bool = True) -> Any:
        return _machine(purpose, env={"UPGRADED": ""})

    def upgraded(self, *, purpose: str, keep: bool) -> Any:
        return _machine(purpose, env={"UPGRADED": "yes"})

    def leave(self) -> None:
        """Nobody shares one."""


@contextlib.contextmanager
def _machine(purpose: str, *, env: Mapping[str, str]) -> Iterator[Any]:
    note(f"clone {purpose}")
    try:
        yield SimpleNamespace(place=Folder(env))
    except Exception:
        note(f"red {purpose}")
        raise


@contextlib.contextmanager
def try_on_folder(machine: Any, _: Any, what: Installation) -> Iterator[Trial]:
    """Give a place in which nothing is installed."""
    with machine as running:
        version = what.candidate.builds[what.unit].version
        yield Trial(running.place, what.unit.package, version)


class Folder:
    """A place whose commands run on this host."""

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self._env = env

    def run(
        self, argv: Sequence[str | os.PathLike[str]], *, timeout: timedelta,
        ok: Sequence[int] | None = (0,), **_: Any,
    ) -> Result:  # fmt: skip
        return run(argv, timeout=timeout, ok=ok, cwd=HERE, env=self._env)


@contextlib.contextmanager
def try_quickly(layout: Any, what: Installation, *, tell: Any) -> Iterator[Trial]:
    """Give a place in which nothing is installed."""
    note(f"try {what.unit} {' '.join(what.extra)}".strip())
    if trouble("uninstallable", what.unit.package):
        raise InstallFailed(f"apt does not install {what.unit}.")
    version = what.candidate.builds[what.unit].version
    yield Trial(cast(Overlay, Folder()), what.unit.package, version)
    if trouble("untidy", what.unit.package):
        raise FarmFault("The chroot cannot be removed.")


def _nothing(*_: Any, **__: Any) -> None:
    """Find nothing wrong."""


_PATCH = pytest.MonkeyPatch()


def pytest_configure() -> None:
    """Take the place of what is slow."""
    _PATCH.setattr(context, "Workshop", QuickWorkshop)
    _PATCH.setattr(context, "check_requirements", _nothing)
    _PATCH.setattr(howto_fixtures, "try_package", try_quickly)
    _PATCH.setattr(howto_fixtures, "try_on_machine", try_on_folder)
    _PATCH.setattr(howto_fixtures, "upgrade_of", lambda *_: QuickMachines())
    _PATCH.setattr(Candidate, "view", _nothing)
    for name in ("check_installable", "check_signatures", "check_lint"):
        _PATCH.setattr(checks, name, _nothing)


def pytest_unconfigure() -> None:
    """Put all back."""
    _PATCH.undo()


def pytest_runtest_logfinish(nodeid: str) -> None:
    """Write down the order in which items end, in the controller."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        note(f"end {nodeid}")
