"""Source packages of which only the description exists."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from farm.build.plan import Job
from farm.model.artifact import SourcePackage, StoredFile
from farm.model.target import Target

MakeJob = Callable[..., Job]


@pytest.fixture
def make_job(tmp_path: Path) -> MakeJob:
    """Make a job from the fields of its ``.dsc``; underscores in their names become dashes."""

    def make(
        package: str,
        *,
        binaries: str = "",
        target: str = "bookworm-amd64",
        profiles: tuple[str, ...] = (),
        version: str = "1.0",
        **fields: str,
    ) -> Job:
        lines = {"Format": "3.0 (native)", "Source": package, "Binary": binaries or package,
                 "Version": version, "Architecture": "any"}  # fmt: skip
        lines |= {name.replace("_", "-"): value for name, value in fields.items()}
        folder = tmp_path / f"{package}@{target}"
        folder.mkdir()
        dsc = folder / f"{package}_{version}.dsc"
        text = "".join(f"{name}: {value}\n" for name, value in lines.items())
        dsc.write_text(f"{text}Checksums-Sha256:\n {'a' * 64} 1 {package}_{version}.tar.xz\n")
        names = tuple((binaries or package).replace(",", " ").split())
        source = SourcePackage(
            package, version, f"digest of {package} {version}",
            StoredFile(dsc.name, "b" * 64, 1, dsc), (), names, "a test",
        )  # fmt: skip
        return Job(package, Target.parse(target), source, profiles)

    return make
