"""What goes into a build and what comes out of it, as values."""

from __future__ import annotations

from pathlib import Path

from farm.model.artifact import BinaryPackage, Build, SourcePackage, StoredFile
from farm.model.target import Target


def file(name: str, *, sha256: str = "aa", folder: str = "/one") -> StoredFile:
    return StoredFile(name, sha256, 1, Path(folder) / name)


def test_a_file_is_the_same_wherever_it_lies() -> None:
    here, there = file("a.deb"), file("a.deb", folder="/two")
    assert here.identity == there.identity
    assert here.identity != file("a.deb", sha256="bb").identity
    assert here.identity != file("b.deb").identity


def test_fields_of_a_package_are_found_by_name() -> None:
    fields = (("Package", "libre1"), ("Depends", "libc6"))
    package = BinaryPackage("libre1", "1.0-1", "amd64", file("a.deb"), fields)
    assert package.field("Depends") == "libc6"
    assert package.field("Recommends") == ""


def test_a_build_is_called_by_its_name_in_farm_toml() -> None:
    source = SourcePackage("re", "1:2.0-1", "digest", file("re.dsc"), (), ("libre1",), "somewhere")
    build = Build(
        "libre", Target("bookworm", "amd64"), "key", source, (), file("re.changes"),
        file("re.buildinfo"), Path("/one/log"), 1.5,
    )  # fmt: skip
    assert build.name == "libre@bookworm-amd64"
    assert build.version == "1:2.0-1"
