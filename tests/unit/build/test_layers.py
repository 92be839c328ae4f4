"""Layers of installed packages: each set is installed once, on the largest part that is there.

The place in which they are installed is one that only notes what it is told.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from farm.base.errors import CommandError, InstallFailed
from farm.build.aptview import Deb
from farm.build.chroots import Base
from farm.build.layers import Choice, Layered, Layers
from farm.model.layout import Layout
from farm.place.overlay import Bind


@dataclass
class Places:
    """What overlays were asked for: on which trees, and which packages were installed there."""

    lower: list[tuple[str, ...]] = field(default_factory=list)
    installed: list[list[str]] = field(default_factory=list)
    removed: int = 0
    trouble: str = ""

    def overlay(self, folder: Path, *, layers: Sequence[Path], binds: Sequence[Bind]) -> Place:
        self.lower.append(tuple(layer.name for layer in layers))
        return Place(self, binds[0].source)


@dataclass
class Place:
    places: Places
    debs: Path

    def create(self) -> Place:
        return self

    def run(self, argv: Sequence[str], **_: object) -> None:
        paths = [word for word in argv if word.endswith(".deb")]
        assert sorted(Path(path).name for path in paths) == sorted(
            path.name for path in self.debs.iterdir()
        )
        self.places.installed.append([Path(path).name.split("_")[0] for path in paths])
        if self.places.trouble:
            raise CommandError("apt-get failed.", details=self.places.trouble)

    def adopt(self, tree: Path) -> None:
        tree.mkdir()

    def remove(self) -> None:
        self.places.removed += 1


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path).prepare()


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> Places:
    places = Places()
    monkeypatch.setattr("farm.build.layers.Overlay", places.overlay)
    monkeypatch.setattr(
        "farm.build.layers.remove_tree", lambda tree: shutil.rmtree(tree, ignore_errors=True)
    )
    return places


@pytest.fixture
def base(layout: Layout) -> Base:
    return make_base(layout, "one")


def make_base(layout: Layout, key: str) -> Base:
    tree = layout.trees / f"base-{key}"
    tree.mkdir()
    return Base(key, tree)


class Shop:
    """Packages on disk."""

    def __init__(self, layout: Layout, *, content: str = "content") -> None:
        self._layout = layout
        self._content = content

    def choose(self, *names: str) -> dict[Deb, Choice]:
        choices = {}
        for name in names:
            deb = Deb(name, "1:1.0", "amd64")
            path = self._layout.debs / deb.file_name
            path.write_text(self._content)
            choices[deb] = Choice(deb, path, f"sha256 of {self._content}")
        return choices


def names(layered: Layered) -> set[str]:
    return {identity.split("_")[0] for identity in layered.identities}


def test_nothing_to_install_is_the_base_itself(layout: Layout, places: Places, base: Base) -> None:
    layered = Layers(layout).ensure(base, {})
    assert layered.trees == (base.tree,)
    assert places.lower == []


def test_a_set_is_installed_once(layout: Layout, places: Places, base: Base) -> None:
    wanted = Shop(layout).choose("gcc", "make")
    told: list[str] = []
    first = Layers(layout, tell=told.append).ensure(base, wanted)
    again = Layers(layout, tell=told.append).ensure(base, dict(reversed(wanted.items())))
    assert first == again
    assert first.trees == (*first.layers, base.tree)
    assert all(tree.is_dir() for tree in first.trees)
    assert names(first) == {"gcc", "make"}
    assert places.installed == [["gcc", "make"]]
    assert told == ["installing 2 build dependencies"]
    assert places.removed == 1


def test_a_larger_set_starts_from_its_largest_part(
    layout: Layout, places: Places, base: Base
) -> None:
    shop, layers = Shop(layout), Layers(layout)
    layers.ensure(base, shop.choose("gcc"))
    two = layers.ensure(base, shop.choose("gcc", "make"))
    layers.ensure(base, shop.choose("gcc", "perl", "python", "ruby"))
    three = layers.ensure(base, shop.choose("gcc", "libre-dev", "make"))
    assert places.installed[-1] == ["libre-dev"]
    assert places.lower[-1] == tuple(tree.name for tree in two.trees)
    assert three.layers[1:] == two.layers
    assert names(three) == {"gcc", "libre-dev", "make"}


def test_a_set_that_is_no_part_is_not_taken(layout: Layout, places: Places, base: Base) -> None:
    shop, layers = Shop(layout), Layers(layout)
    layers.ensure(base, shop.choose("gcc", "make"))
    layers.ensure(base, shop.choose("gcc"))
    assert places.lower == [(base.tree.name,), (base.tree.name,)]


def test_the_same_names_with_other_contents_are_another_set(
    layout: Layout, places: Places, base: Base
) -> None:
    layers = Layers(layout)
    layers.ensure(base, Shop(layout).choose("gcc"))
    layers.ensure(base, Shop(layout, content="newer").choose("gcc"))
    layers.ensure(base, Shop(layout, content="newest").choose("gcc", "make"))
    assert places.lower == [(base.tree.name,)] * 3


def test_layers_of_another_base_are_not_taken(layout: Layout, places: Places, base: Base) -> None:
    shop, layers, other = Shop(layout), Layers(layout), make_base(layout, "two")
    mine = layers.ensure(base, shop.choose("gcc"))
    layers.ensure(other, shop.choose("gcc", "make"))
    assert places.lower[-1] == (other.tree.name,)
    assert layers.ensure(other, shop.choose("gcc")).layers != mine.layers


def test_a_layer_that_was_cleared_away_is_not_taken(
    layout: Layout, places: Places, base: Base
) -> None:
    shop, layers = Shop(layout), Layers(layout)
    one = layers.ensure(base, shop.choose("gcc"))
    two = layers.ensure(base, shop.choose("gcc", "make"))
    one.layers[0].rmdir()
    layers.ensure(base, shop.choose("gcc", "make", "perl"))
    assert places.lower[-1] == (base.tree.name,)
    assert layers.ensure(base, shop.choose("gcc", "make")).layers != two.layers


def test_layers_do_not_pile_up_without_end(layout: Layout, places: Places, base: Base) -> None:
    shop, layers = Shop(layout), Layers(layout)
    wanted = [f"lib{number}" for number in range(30)]
    for count in range(1, len(wanted) + 1):
        layered = layers.ensure(base, shop.choose(*wanted[:count]))
        assert len(layered.layers) <= 8
        assert names(layered) == set(wanted[:count])


def test_what_a_killed_process_has_left_is_made_again(
    layout: Layout, places: Places, base: Base
) -> None:
    shop, layers = Shop(layout), Layers(layout)
    made = layers.ensure(base, shop.choose("gcc"))
    (made.layers[0] / "half").touch()
    made.layers[0].with_suffix(".json").unlink()
    assert layers.ensure(base, shop.choose("gcc")) == made
    assert not (made.layers[0] / "half").exists()


def test_a_set_that_cannot_be_installed_leaves_nothing(
    layout: Layout, places: Places, base: Base
) -> None:
    places.trouble = "E: gcc conflicts with make"
    before = set(layout.trees.iterdir())
    for _ in range(2):
        with pytest.raises(InstallFailed) as caught:
            Layers(layout).ensure(base, Shop(layout).choose("gcc", "make"))
    assert caught.value.brief == "2 packages could not be installed together."
    assert caught.value.details == places.trouble
    assert places.removed == len(places.installed) == 2
    assert set(layout.trees.iterdir()) == before
    assert list(layout.temporary.iterdir()) == []
