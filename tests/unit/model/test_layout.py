"""What lies where in the state folder: one place each, all of it inside."""

from __future__ import annotations

import os
from pathlib import Path

from farm.model.layout import Layout


def places(layout: Layout) -> dict[str, Path]:
    names = [name for name, value in vars(Layout).items() if isinstance(value, property)]
    return {name: getattr(layout, name) for name in names}


def test_everything_is_inside_and_nothing_twice(tmp_path: Path) -> None:
    found = places(Layout(tmp_path))
    assert len(found) > 15
    assert len(set(found.values())) == len(found)
    assert all(path.is_relative_to(tmp_path) for path in found.values())


def test_what_can_be_made_again_is_apart_from_what_cannot(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    for kept in (layout.sources, layout.builds, layout.snapshots, layout.receipts, layout.keys,
                 layout.ledger, layout.repositories, layout.failures):  # fmt: skip
        assert not kept.is_relative_to(layout.cache)
    for again in (layout.trees, layout.debs, layout.archives):
        assert again.is_relative_to(layout.cache)


def test_sandboxes_may_look_into_it_whatever_the_umask_is(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        layout = Layout(tmp_path / "deep/state").prepare()
    finally:
        os.umask(before)
    for path in (layout.root, layout.store, layout.builds, layout.trees, layout.environments):
        assert path.stat().st_mode & 0o777 == 0o755, path


def test_preparing_again_changes_nothing(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "state").prepare()
    (layout.builds / "one").mkdir()
    layout.root.chmod(0o700)
    assert layout.prepare() is layout
    assert (layout.builds / "one").is_dir()
    assert layout.root.stat().st_mode & 0o777 == 0o755


def test_keys_and_locks_are_made_by_those_who_need_them(tmp_path: Path) -> None:
    layout = Layout(tmp_path).prepare()
    assert not layout.keys.exists(), "it is for its owner's eyes only"
