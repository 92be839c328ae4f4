"""From what the configuration says about a source to the source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from farm.base.errors import InputError
from farm.model.target import Target
from farm.source.archive import Archive
from farm.source.kinds import make_source
from farm.source.mirror import Mirror, Suite
from farm.source.resolve import ArchiveSource, DscSource, FolderSource, Source

WORKSPACE = Path("/srv/space")


@dataclass
class Package:
    """A package of a farm.toml."""

    kind: str
    name: str = "ipbx"
    debian: str | None = None
    dsc: str | None = None
    sha256: str | None = None
    folder: Path | None = None


def archive() -> Archive:
    mirror = Mirror((Suite("http://mirror.example/debian", "bookworm"),))
    return Archive(Path("/state"), target=Target("bookworm", "amd64"), mirror=mirror)


def make(package: Package) -> Source:
    return make_source(package, workspace=WORKSPACE, archive=archive, without=[Path("/state")])


def test_a_name_is_looked_for_in_the_archive() -> None:
    source = make(Package("debian", name="librem", debian="rem"))
    assert isinstance(source, ArchiveSource)
    assert source.describe() == "source package rem of bookworm"


def test_a_dsc_comes_with_its_pin() -> None:
    source = make(Package("dsc", dsc="http://a.example/x_1.dsc", sha256="A" * 64))
    assert source == DscSource("http://a.example/x_1.dsc", "A" * 64)
    assert source.fingerprint() == f"dsc {'a' * 64}"
    assert source.describe() == "http://a.example/x_1.dsc"


def test_a_folder_is_shown_relative_to_the_workspace() -> None:
    source = make(Package("folder", folder=WORKSPACE / "packages" / "ipbx"))
    assert isinstance(source, FolderSource)
    assert source.without == (Path("/state"),)
    assert source.describe() == "folder packages/ipbx"


def test_a_folder_elsewhere_is_shown_as_it_is() -> None:
    assert make(Package("folder", folder=Path("/else/where"))).describe() == "folder /else/where"


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match="unknown kind 'git'") as caught:
        make(Package("git"))
    assert caught.value.hint == "Known are: debian, dsc, folder."
