"""Which caches are waste: what cannot be used again, and what nobody has used for long."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from farm.base.files import Lock, write_json
from farm.build.aptview import Deb
from farm.model.layout import Layout
from farm.release.references import Needed
from farm.release.waste import Ground, find_waste

KEY = "k" * 24
NOW = time.time()
DAY = 86400.0

Find = Callable[[], set[str]]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path).prepare()


@pytest.fixture
def find(layout: Layout) -> Find:
    """Give the names of what is waste when a week without use is too long."""
    needed = Needed(frozenset(), frozenset(), frozenset({KEY}), frozenset({f"base-{KEY}", "kept"}))
    ground = Ground(layout, needed, frozenset({"bookworm-amd64"}), frozenset(), NOW - 7 * DAY)

    def names() -> set[str]:
        return {waste.path.name for waste in find_waste(ground)}

    return names


def unused_for(path: Path, *, days: float) -> Path:
    """Make a file look as if nobody had used it; its change time cannot be set, so it moves."""
    when = NOW - days * DAY
    os.utime(path, (when, when))
    return path


@pytest.fixture(autouse=True)
def _old_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can set the change time of a file, so tests have to do without it."""
    monkeypatch.setattr("farm.release.waste._used", lambda path: path.stat().st_mtime)


def layer(layout: Layout, name: str, *, base: str = KEY, below: tuple[str, ...] = ()) -> Path:
    (layout.trees / name).mkdir()
    record = layout.trees / f"{name}.json"
    write_json(record, {"base": base, "layers": [name, *below], "packages": []})
    return record


def test_chroots_that_no_target_has(layout: Layout, find: Find) -> None:
    layout.chroots.mkdir()
    for name in (f"{KEY}.tar.zst", "former.tar.zst", "bookworm-amd64.json", "buster-amd64.json"):
        (layout.chroots / name).touch()
    for name in (f"base-{KEY}", "base-former", f"base-{KEY}.half"):
        (layout.trees / name).mkdir()
    assert find() == {"former.tar.zst", "buster-amd64.json", "base-former", f"base-{KEY}.half"}


def test_layers_on_a_former_chroot(layout: Layout, find: Find) -> None:
    layer(layout, "layer-new")
    layer(layout, "layer-old", base="former")
    assert find() == {"layer-old"}


def test_layers_that_nobody_used(layout: Layout, find: Find) -> None:
    unused_for(layer(layout, "layer-a"), days=8)
    unused_for(layer(layout, "layer-b"), days=6)
    assert find() == {"layer-a"}


def test_a_layer_below_one_in_use_stays(layout: Layout, find: Find) -> None:
    unused_for(layer(layout, "layer-low"), days=100)
    layer(layout, "layer-top", below=("layer-low",))
    assert find() == set()


def test_layers_under_the_environment_of_a_failed_build_stay(layout: Layout, find: Find) -> None:
    unused_for(layer(layout, "kept", base="former"), days=100)
    assert find() == set()


def test_a_layer_without_record_was_never_finished(layout: Layout, find: Find) -> None:
    (layout.trees / "layer-half").mkdir()
    assert find() == {"layer-half"}


def test_chroots_of_trials_that_are_old(layout: Layout, find: Find) -> None:
    for name in ("trial-a", "trial-b"):
        (layout.trees / name).mkdir()
    unused_for(layout.trees / "trial-a", days=8)
    assert find() == {"trial-a"}


def test_downloads_that_no_answer_of_apt_names(layout: Layout, find: Find) -> None:
    make, gcc, bash = (Deb(name, "1:2.0_a", "amd64") for name in ("make", "gcc", "bash"))
    for deb in (make, gcc, bash):
        unused_for(_touch(layout.debs / deb.file_name), days=30)
    _touch(layout.debs / "fresh_1_all.deb")
    answers = layout.cache / "resolutions"
    write_json(answers / "new.json", [[make.name, make.version, make.architecture, "sha256"]])
    write_json(answers / "old.json", [[gcc.name, gcc.version, gcc.architecture, "sha256"]])
    unused_for(answers / "old.json", days=30)
    assert find() == {"old.json", gcc.file_name, bash.file_name}


def view(layout: Layout, name: str, *, generation: str, address: Path) -> Path:
    folder = layout.cache / "views" / name
    folder.mkdir(parents=True)
    place = layout.archives / "bookworm-amd64" / "generations" / generation
    (folder / "apt.conf").write_text(f'Dir::State "{place}";\n')
    (folder / "extra.sources").write_text(f"Types: deb\nURIs: file:{address}\n")
    return folder


def test_views_of_what_is_no_longer_there(layout: Layout, find: Find) -> None:
    archive = layout.archives / "bookworm-amd64"
    for generation in ("now", "former"):
        _touch(archive / "generations" / generation / "apt.conf")
    write_json(archive / "current.json", {"name": "now"})
    view(layout, "good", generation="now", address=layout.snapshots)
    view(layout, "of-former-archive", generation="former", address=layout.snapshots)
    view(layout, "of-gone-snapshot", generation="now", address=layout.snapshots / "gone")
    unused_for(view(layout, "unused", generation="now", address=layout.snapshots), days=8)
    assert find() == {"of-former-archive", "of-gone-snapshot", "unused"}
    unused_for(archive / "generations" / "former" / "apt.conf", days=8)
    assert "former" in find()


def test_archives_of_targets_that_left_farm_toml(layout: Layout, find: Find) -> None:
    (layout.archives / "buster-amd64").mkdir(parents=True)
    assert find() == {"buster-amd64"}


def test_lock_files_that_nobody_holds(layout: Layout, find: Find) -> None:
    for name in ("old.lock", "held.lock", "new.lock"):
        _touch(layout.locks / name)
    for name in ("old.lock", "held.lock"):
        unused_for(layout.locks / name, days=8)
    held = Lock(layout.locks / "held.lock")
    assert held.try_acquire(shared=True)
    assert find() == {"old.lock"}
    held.release()


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path
