"""Pristine chroots: made once, kept compressed, unpacked when needed, made anew when asked.

What makes and unpacks them only notes what it is told.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from farm.base.errors import CommandError, FarmFault
from farm.base.files import sha256_of
from farm.build.chroots import Base, Chroots
from farm.model.layout import Layout
from farm.model.target import Target
from farm.source.archive import Archive


@dataclass
class Maker:
    """Stands for mmdebstrap, zstd, and whoever unpacks."""

    content: str = "first"
    trouble: str = ""
    made: list[list[str]] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    unpacked: int = 0

    def run(self, argv: Sequence[str], *, cwd: Path, input: str = "", **_: object) -> None:
        if argv[0] == "mmdebstrap":
            self.made.append(list(argv))
            self.read.append(input)
            if self.trouble:
                raise CommandError("mmdebstrap failed.", details=self.trouble)
            (cwd / "base.tar").write_text(self.content)
        else:
            (cwd / "base.tar").rename(cwd / "base.tar.zst")

    def janitor(self, argv: Sequence[str], *, cwd: Path, **_: object) -> None:
        if argv[0] == "tar":
            self.unpacked += 1
            archive = cwd / argv[-1]
            (cwd / argv[argv.index("-C") + 1] / "hostname").write_text(archive.read_text())
        if argv[0] == "mv":
            (cwd / argv[-2]).rename(cwd / argv[-1])


@pytest.fixture
def maker(monkeypatch: pytest.MonkeyPatch) -> Maker:
    maker = Maker()
    monkeypatch.setattr("farm.build.chroots.run", maker.run)
    monkeypatch.setattr("farm.build.chroots.janitor", maker.janitor)
    monkeypatch.setattr("farm.build.chroots.make_mount_points", lambda _: None)
    monkeypatch.setattr(
        "farm.build.chroots.remove_tree", lambda path: shutil.rmtree(path, ignore_errors=True)
    )
    return maker


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path).prepare()


def archive(target: str = "bookworm-amd64", *, sources: str = "deb mirror") -> Archive:
    found = SimpleNamespace(target=Target.parse(target), sources_list_text=lambda: sources)
    return cast(Archive, found)


def content(base: Base) -> str:
    return (base.tree / "hostname").read_text()


def test_it_is_made_once(layout: Layout, maker: Maker) -> None:
    told: list[str] = []
    first = Chroots(layout, tell=told.append).ensure(archive())
    again = Chroots(layout, tell=told.append).ensure(archive())
    assert first == again
    assert content(first) == "first"
    assert len(maker.made) == maker.unpacked == 1
    assert told == ["making the chroot of bookworm-amd64", "unpacking the chroot"]
    assert list(layout.temporary.iterdir()) == []


def test_it_is_made_for_the_target_from_its_archive(layout: Layout, maker: Maker) -> None:
    Chroots(layout).ensure(archive("trixie-arm64", sources="deb the mirror"))
    (argv,) = maker.made
    assert "--architectures=arm64" in argv
    assert argv[-3] == "trixie"
    assert argv[-1] == "-"
    assert maker.read == ["deb the mirror"]


def test_its_key_is_the_digest_of_what_is_kept(layout: Layout, maker: Maker) -> None:
    base = Chroots(layout).ensure(archive())
    (kept,) = layout.chroots.glob("*.tar.zst")
    assert kept.name == f"{base.key}.tar.zst"
    assert sha256_of(kept) == base.key
    assert base.status == base.tree / "var/lib/dpkg/status"


def test_every_target_has_its_own(layout: Layout, maker: Maker) -> None:
    Chroots(layout).ensure(archive())
    maker.content = "second"
    second = Chroots(layout).ensure(archive("trixie-amd64"))
    assert content(second) == "second"
    assert content(Chroots(layout).ensure(archive())) == "first"
    assert len(maker.made) == 2


def test_a_tree_that_was_cleared_away_is_unpacked_again(layout: Layout, maker: Maker) -> None:
    base = Chroots(layout).ensure(archive())
    shutil.rmtree(base.tree)
    assert Chroots(layout).ensure(archive()) == base
    assert content(base) == "first"
    assert (len(maker.made), maker.unpacked) == (1, 2)


def test_what_a_killed_process_has_half_unpacked_is_no_obstacle(
    layout: Layout, maker: Maker
) -> None:
    base = Chroots(layout).ensure(archive())
    base.tree.rename(base.tree.with_name(f"{base.tree.name}.half"))
    (base.tree.with_name(f"{base.tree.name}.half") / "rest").touch()
    assert Chroots(layout).ensure(archive()) == base
    assert not (base.tree / "rest").exists()


def test_one_whose_archive_is_gone_is_made_again(layout: Layout, maker: Maker) -> None:
    base = Chroots(layout).ensure(archive())
    (layout.chroots / f"{base.key}.tar.zst").unlink()
    Chroots(layout).ensure(archive())
    assert len(maker.made) == 2


def test_another_mirror_makes_another(layout: Layout, maker: Maker) -> None:
    first = Chroots(layout).ensure(archive())
    maker.content = "second"
    second = Chroots(layout).ensure(archive(sources="deb another"))
    assert first.key != second.key
    assert first.tree.is_dir(), "builds may stand on it still"


def test_it_is_renewed_on_demand(layout: Layout, maker: Maker) -> None:
    first = Chroots(layout).ensure(archive())
    maker.content = "second"
    renewed = Chroots(layout).renew(archive())
    assert content(renewed) == "second"
    assert Chroots(layout).ensure(archive()) == renewed
    assert first.tree.is_dir()


def test_renewing_where_nothing_is_new_changes_nothing(layout: Layout, maker: Maker) -> None:
    first = Chroots(layout).ensure(archive())
    assert Chroots(layout).renew(archive()) == first
    assert maker.unpacked == 1


def test_one_that_cannot_be_made_is_told_with_the_last_words(layout: Layout, maker: Maker) -> None:
    maker.trouble = "E: download failed"
    with pytest.raises(FarmFault) as caught:
        Chroots(layout).ensure(archive())
    assert caught.value.brief == "The chroot of bookworm-amd64 could not be made."
    assert caught.value.details == maker.trouble
    assert "farm refresh" in caught.value.hint
    maker.trouble = ""
    assert content(Chroots(layout).ensure(archive())) == "first"
