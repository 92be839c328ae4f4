"""The archive that this host's own apt uses; skipped where there is none, or it is away."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.errors import FarmFault, InputError
from farm.model.target import Target
from farm.source.archive import Archive
from farm.source.mirror import find_mirror
from farm.source.resolve import ArchiveSource
from farm.source.store import SourceStore

TARGET = Target("bookworm", "amd64")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    try:
        mirror = find_mirror("host", distribution=TARGET.distribution)
        made = Archive(tmp_path_factory.mktemp("archive"), target=TARGET, mirror=mirror)
        made.ensure_fresh(timedelta(hours=1))
    except (InputError, FarmFault) as error:
        pytest.skip(error.brief)
    return made


def test_finding_a_source_package_is_quick(archive: Archive) -> None:
    started = time.monotonic()
    assert archive.find_source("rem").version
    assert time.monotonic() - started < 1


def test_a_binary_package_is_told_from_a_source_package(archive: Archive) -> None:
    with pytest.raises(InputError, match="No source package 'librem-dev'") as caught:
        archive.find_source("librem-dev")
    assert caught.value.hint.endswith("built by the source package rem.")


@pytest.mark.parametrize("name", ["sipsak", "rem", "libpri"])
def test_a_source_package_is_fetched_and_verified(
    archive: Archive, tmp_path: Path, name: str
) -> None:
    source = ArchiveSource(name, archive)
    try:
        package = SourceStore(tmp_path).ensure(source)
    except FarmFault as error:
        if "404" not in error.brief:
            raise
        pytest.skip(f"the mirror lacks a file that its signed index names: {error.brief}")
    record = archive.find_source(name)
    assert (package.name, package.version) == (name, record.version)
    assert package.dsc.sha256 == record.dsc.sha256
    assert package.origin == f"source package {name} of bookworm"
