"""Source packages are fetched once, kept by content, and survive whatever happens."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from farm.base.errors import FarmFault, SourceError
from farm.source.store import SourceStore


class FakeSource:
    """A source whose content can change; counts how often it was fetched."""

    def __init__(self, content: str = "content\n", *, label: str = "a fake") -> None:
        self.content = content
        self.label = label
        self.fetched = 0
        self.changes_while_fetched = 0
        self.breaks = False

    def fingerprint(self) -> str:
        return f"fake {self.content}"

    def describe(self) -> str:
        return self.label

    def fetch(self, into: Path) -> None:
        self.fetched += 1
        content = self.content
        (into / "x1_1.tar").write_text(content)
        if self.breaks:
            raise FarmFault("The network is gone.")
        digest = hashlib.sha256(content.encode()).hexdigest()
        (into / "x1_1.dsc").write_text(
            "Format: 3.0 (native)\nSource: x1\nVersion: 1\nBinary: x1\n"
            f"Checksums-Sha256:\n {digest} {len(content)} x1_1.tar\n"
        )
        if self.changes_while_fetched:
            self.changes_while_fetched -= 1
            self.content += "more\n"


@pytest.fixture
def store(tmp_path: Path) -> SourceStore:
    return SourceStore(tmp_path / "sources")


def test_it_is_fetched_once(store: SourceStore) -> None:
    source = FakeSource()
    first = store.ensure(source)
    assert store.ensure(source) == first
    assert SourceStore(store.root).ensure(source) == first
    assert source.fetched == 1
    assert first.origin == "a fake"
    assert first.dsc.path == store.root / first.digest / "x1_1.dsc"


def test_files_are_read_only(store: SourceStore) -> None:
    package = store.ensure(FakeSource())
    modes = {file.path.stat().st_mode & 0o777 for file in (package.dsc, *package.files)}
    assert modes == {0o444}


def test_another_content_lies_beside(store: SourceStore) -> None:
    source = FakeSource()
    first = store.ensure(source)
    source.content = "changed\n"
    second = store.ensure(source)
    assert first.digest != second.digest
    assert first.files[0].path.read_text() == "content\n"
    source.content = "content\n"
    assert store.ensure(source) == first
    assert source.fetched == 2


def test_the_same_content_from_elsewhere_is_kept_once(store: SourceStore) -> None:
    first, second = FakeSource(), FakeSource(label="another")
    second.fingerprint = lambda: "other"  # type: ignore[method-assign]
    one, two = store.ensure(first), store.ensure(second)
    assert one.digest == two.digest
    assert (one.origin, two.origin) == ("a fake", "another")


def test_it_is_found_by_its_digest(store: SourceStore) -> None:
    package = store.ensure(FakeSource())
    assert store.load(package.digest) == package
    with pytest.raises(FarmFault, match="is no longer in the store"):
        store.load("0" * 64)


@pytest.mark.parametrize("damage", ["gone", "cut", "folder"])
def test_what_was_damaged_is_fetched_again(store: SourceStore, damage: str) -> None:
    source = FakeSource()
    package = store.ensure(source)
    path = package.files[0].path
    if damage == "folder":
        path.parent.rename(store.root / "lost")
    else:
        path.unlink()
    if damage == "cut":
        path.write_text("con")
    assert store.ensure(source) == package
    assert source.fetched == 2
    assert path.read_text() == "content\n"


def test_a_fetch_that_fails_leaves_nothing(store: SourceStore) -> None:
    source = FakeSource()
    source.breaks = True
    with pytest.raises(FarmFault, match="network is gone"):
        store.ensure(source)
    assert not list((store.root / "tmp").iterdir())
    source.breaks = False
    assert store.ensure(source).name == "x1"


def test_debris_of_a_killed_process_does_not_matter(store: SourceStore) -> None:
    debris = store.root / "tmp" / "1-abcd"
    debris.mkdir(parents=True)
    (debris.parent / "1-abcd.lock").touch()
    # Killed after the files were put in place, before anything was written about them.
    source = FakeSource()
    package = store.ensure(source)
    (store.root / "by-digest" / f"{package.digest}.json").unlink()
    assert store.ensure(source) == package
    assert source.fetched == 2
    assert not debris.exists()


def test_a_source_that_changes_while_it_is_read_is_read_again(store: SourceStore) -> None:
    source = FakeSource()
    source.changes_while_fetched = 1
    package = store.ensure(source)
    assert package.files[0].path.read_text() == "content\nmore\n"
    source.content = "content\n"
    assert store.ensure(source).files[0].path.read_text() == "content\n"


def test_a_source_that_never_stands_still_is_refused(store: SourceStore) -> None:
    source = FakeSource()
    source.changes_while_fetched = 99
    with pytest.raises(SourceError, match="The a fake keeps changing"):
        store.ensure(source)
