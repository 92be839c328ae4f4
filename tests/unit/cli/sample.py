"""A workspace whose packages are small ``.dsc`` files, and builds that look as if it made them."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from farm.base.files import sha256_of, write_json
from farm.build.collect import Product
from farm.build.failures import Failure, Failures
from farm.build.key import inputs_of
from farm.build.plan import Job
from farm.config.workspace import load
from farm.model.artifact import BinaryPackage, Build, StoredFile
from farm.model.target import Target
from farm.model.verdict import State, Verdict, item_id
from farm.release.inputs import check_inputs
from farm.release.survey import survey
from farm.release.workshop import Workshop

TARGET = Target("bookworm", "amd64")
WHEN = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
_TOML = """\
[workspace]
name = "sample"
mirror = "http://archive.example.org/debian"

[target.bookworm-amd64]

[repository.rc]
gates = ["build"]
keep = 1

[repository.production]
from = "rc"
gates = ["build"]
keep = 1
"""
_DSC = """\
Format: 3.0 (native)
Source: {name}
Binary: {name}
Architecture: any
Version: {version}
Maintainer: A Maintainer <maintainer@example.org>
Build-Depends: {needs}
Checksums-Sha256:
 {sha256} {size} {tar}
Files:
 {md5} {size} {tar}
"""

MakeDeb = Callable[[Path, str, str], dict[str, str]]
"""Writes the ``.deb`` of a package and a version; gives its control fields."""


def write_text_as_deb(path: Path, name: str, version: str) -> dict[str, str]:
    """Write something that is no ``.deb`` at all, which nobody looks into."""
    path.write_text(f"{name} {version}")
    return {"Package": name, "Version": version}


@dataclass
class Sample:
    """The workspace in ``root``."""

    root: Path
    make_deb: MakeDeb = write_text_as_deb
    entries: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.write()

    def write(self, more: str = "") -> None:
        """Write farm.toml, with some more at its end."""
        (self.root / "farm.toml").write_text(_TOML + "".join(self.entries.values()) + more)

    def package(
        self, name: str, version: str = "1.0", *, needs: str = "", options: str = "",
        files: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Give a package a source, which it has from now on."""
        place = self.root / "sources" / f"{name}-{len(list(self.root.glob('sources/*')))}"
        place.mkdir(parents=True)
        dsc = _write_source(place, name, version, needs, files or {"text": f"{name} {version}"})
        settings = f'dsc = "{dsc}"\nsha256 = "{sha256_of(dsc)}"\n{options}'
        self.entries[name] = f"\n[package.{name}]\n{settings}\n"
        self.write()

    def open(self) -> Workshop:
        """Be at work in it."""
        return Workshop(load(self.root / "farm.toml"))

    def fetch(self) -> None:
        """Fetch every source."""
        with closing(self.open()) as workshop:
            workshop.plan()

    def build(self, *names: str) -> list[Build]:
        """Put the builds of packages into the store, and remember that they were good."""
        self.fetch()
        with closing(self.open()) as workshop:
            return [self._build(workshop, workshop.plan().jobs[f"{name}@{TARGET}"])
                    for name in names]  # fmt: skip

    def _build(self, workshop: Workshop, job: Job) -> Build:
        needs = {need: survey(workshop)[need].key for need in workshop.plan().needs(job.name)}
        options = workshop.workspace.package(job.package).build_options
        inputs = inputs_of(job, dependencies=needs, options=options, environment={})
        made = self.root / "made"
        made.mkdir(exist_ok=True)
        deb = made / f"{job.package}_{job.source.version}_amd64.deb"
        fields = self.make_deb(deb, job.package, job.source.version)
        for other in ("log", "changes", "buildinfo"):
            (made / other).write_text(other)
        binary = BinaryPackage(job.package, job.source.version, "amd64", _stored(deb),
                               tuple(fields.items()))  # fmt: skip
        product = Product((binary,), _stored(made / "changes"), _stored(made / "buildinfo"))
        workshop.store.keep(made, key=inputs.key, target=job.target, product=product,
                            seconds=1.0, inputs=inputs.record())  # fmt: skip
        last = workshop.layout.last_builds / f"{job.name}.json"
        write_json(last, {"key": inputs.key, "inputs": inputs.record()})
        build = workshop.store.find(inputs.key, package=job.package, source=job.source)
        assert build
        decided_by = check_inputs(workshop.workspace)["build/build"]
        workshop.ledger.record(_passed(build, decided_by))
        return build

    def fail(self, name: str, reason: str = "make ended with exit status 2") -> Failure:
        """Remember that a package failed with the inputs that it has now."""
        self.fetch()
        with closing(self.open()) as workshop:
            row = survey(workshop)[f"{name}@{TARGET}"]
            failure = Failure(
                name=row.name, key=row.key, run="run-1", environment=f"{name}-0001", layers=(),
                directory=f"/build/{name}", command=("make",), variables=(),
                source=str(workshop.layout.sources / row.source), reason=reason, excerpt="",
                log=str(self.root / f"{name}.log"), when=WHEN.isoformat(),
            )  # fmt: skip
            Failures(workshop.layout).add(failure)
            return failure


def _passed(build: Build, inputs: str) -> Verdict:
    item = item_id("build", "build", subject=build.name)
    return Verdict(item, "build", State.PASSED, "", build.key, inputs, 1.0, WHEN, "run-1")


def _stored(path: Path) -> StoredFile:
    return StoredFile(path.name, sha256_of(path), path.stat().st_size, path)


def _write_source(
    place: Path, name: str, version: str, needs: str, files: Mapping[str, str]
) -> Path:
    tar = place / f"{name}_{version}.tar.gz"
    with (
        gzip.GzipFile(tar, "wb", mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w") as archive,
    ):
        for path, text in files.items():
            member = tarfile.TarInfo(f"{name}-{version}/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    data = tar.read_bytes()
    dsc = place / f"{name}_{version}.dsc"
    dsc.write_text(
        _DSC.format(
            name=name, version=version, needs=needs or "make", sha256=sha256_of(tar),
            size=len(data), tar=tar.name,
            md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
        )
    )  # fmt: skip
    return dsc
