"""Finished builds: what was kept is found, for ever the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from farm.base.errors import FarmFault
from farm.base.files import sha256_of
from farm.build.collect import Product
from farm.build.store import BuildStore
from farm.model.artifact import BinaryPackage, SourcePackage, StoredFile
from farm.model.layout import Layout
from farm.model.target import Target

TARGET = Target("bookworm", "amd64")
SOURCE = SourcePackage(
    "re", "1:1.0", "digest", StoredFile("re.dsc", "a", 1, Path("/re.dsc")), (), ("libre1",), "here"
)
INPUTS = {"source": "digest", "version": "1:1.0"}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path).prepare()


@pytest.fixture
def store(layout: Layout) -> BuildStore:
    return BuildStore(layout)


def build(store: BuildStore, folder: Path, *, content: str = "good", key: str = "key") -> Product:
    """Keep what a build gave."""
    folder.mkdir(mode=0o700)

    def made(name: str) -> StoredFile:
        path = folder / name
        path.write_text(content)
        return StoredFile(name, sha256_of(path), path.stat().st_size, path)

    fields = (("Package", "libre1"), ("Depends", "libc6 (>= 2.36)"), ("Description", "a\n b\n ."))
    binary = BinaryPackage("libre1", "1:1.0", "amd64", made("libre1_1.0_amd64.deb"), fields)
    product = Product((binary,), made("re.changes"), made("re.buildinfo"))
    (folder / "log").write_text("compiling\n")
    store.keep(folder, key=key, target=TARGET, product=product, seconds=1.23456, inputs=INPUTS)
    return product


def test_what_was_kept_is_found(store: BuildStore, tmp_path: Path) -> None:
    product = build(store, tmp_path / "made")
    found = store.find("key", package="libre", source=SOURCE)
    assert found is not None
    assert (found.name, found.key, found.version) == ("libre@bookworm-amd64", "key", "1:1.0")
    assert (found.source, found.seconds) == (SOURCE, 1.235)
    (binary,) = found.binaries
    assert binary.fields == product.binaries[0].fields
    for file, kept in ((binary.file, product.binaries[0].file), (found.changes, product.changes),
                       (found.buildinfo, product.buildinfo)):  # fmt: skip
        assert file.identity == kept.identity
        assert sha256_of(file.path) == file.sha256
    assert found.log.read_text() == "compiling\n"
    assert store.inputs("key") == INPUTS


def test_the_folder_of_the_build_is_gone_and_the_kept_one_may_be_read_by_all(
    store: BuildStore, tmp_path: Path
) -> None:
    build(store, tmp_path / "made")
    assert not (tmp_path / "made").exists()
    assert store.folder("key").stat().st_mode & 0o777 == 0o755


def test_keeping_it_a_second_time_changes_nothing(store: BuildStore, tmp_path: Path) -> None:
    build(store, tmp_path / "one", content="first")
    before = store.find("key", package="libre", source=SOURCE)
    build(store, tmp_path / "two", content="second, other bytes")
    after = store.find("key", package="libre", source=SOURCE)
    assert after == before
    assert after is not None
    assert after.changes.path.read_text() == "first"
    assert not (tmp_path / "two").exists()


def test_what_was_not_built_is_not_found(store: BuildStore) -> None:
    assert store.find("other", package="libre", source=SOURCE) is None
    assert store.inputs("other") is None


def test_a_folder_without_a_record_is_no_build(store: BuildStore) -> None:
    store.folder("key").mkdir()
    assert store.find("key", package="libre", source=SOURCE) is None


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("", "is not the JSON that the farm wrote"),
        ("[]", "is not a record of a build"),
        ("{}", "is not a record of a build"),
        ('{"binaries": 7, "inputs": 7}', "is not a record of a build"),
    ],
)
def test_a_damaged_record_is_a_fault_of_the_farm(
    store: BuildStore, tmp_path: Path, damage: str, sentence: str
) -> None:
    build(store, tmp_path / "made")
    (store.folder("key") / "build.json").write_text(damage)
    with pytest.raises(FarmFault, match=sentence) as caught:
        store.find("key", package="libre", source=SOURCE)
    assert caught.value.hint
    with pytest.raises(FarmFault, match=sentence):
        store.inputs("key")


def test_a_record_with_a_target_that_is_none_is_damaged(store: BuildStore, tmp_path: Path) -> None:
    build(store, tmp_path / "made")
    path = store.folder("key") / "build.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"target": "nowhere"}))
    with pytest.raises(FarmFault, match="is not a record of a build"):
        store.find("key", package="libre", source=SOURCE)
