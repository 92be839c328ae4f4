"""Chroots for trying packages: apt installs once, from the candidate, and each trial is fresh.

The chroots are places that only note what they are told; what apt would install is real.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from farm.base.errors import CommandError, FarmFault, InstallFailed
from farm.base.run import Result
from farm.build.aptview import AptView
from farm.build.chroots import Base
from farm.model.artifact import Build
from farm.model.layout import Layout
from farm.place.overlay import Bind
from farm.release.candidate import Candidate, merge
from farm.release.chroot import Installation
from farm.release.gates import Unit
from farm.release.trial import Trial, try_package
from farm.source.archive import Archive
from tests.unit.build.apt_sample import Apt, of_file, stanza
from tests.unit.release.candidate_sample import AMD64, binary, build, snapshot

APP = Unit("app", AMD64)


@dataclass(frozen=True)
class Offered(Candidate):
    """A candidate that apt believes without a signature."""

    apt: Apt

    def view(self, layout: Layout, *, archive: Archive, status: Path) -> AptView:
        own = self.binaries(AMD64).values()
        self.apt.offered.mkdir(exist_ok=True)
        for each in own:
            (self.apt.offered / f"{each.name}.deb").write_text(each.version)
        return self.apt.offer(
            *(
                of_file(
                    stanza(each.name, each.version, **dict(each.fields[3:])),
                    self.apt.offered / f"{each.name}.deb",
                )
                for each in own
            )
        )


@dataclass
class Places:
    """What overlays were asked for."""

    lower: list[tuple[str, ...]] = field(default_factory=list)
    debs: list[list[str]] = field(default_factory=list)
    asked: list[list[str]] = field(default_factory=list)
    sources: str = ""
    alive: int = 0
    addresses: str = "'file:/farm/candidate/pool/app.deb' app_1.0_amd64.deb 10 SHA256:a\n"
    trouble: str = ""

    def overlay(
        self, folder: Path, *, layers: Sequence[Path], binds: Sequence[Bind] = ()
    ) -> Place:
        self.lower.append(tuple(layer.name for layer in layers))
        return Place(self, {bind.inside: bind.source for bind in binds})


@dataclass
class Place:
    places: Places
    binds: dict[str, Path]

    def create(self) -> Place:
        self.places.alive += 1
        return self

    def run(self, argv: Sequence[str], **_: object) -> Result:
        output = ""
        if argv[0] == "apt-get" and "--print-uris" in argv:
            output = self.places.addresses
        elif argv[0] == "apt-get":
            self.places.asked.append([word for word in argv if "=" in word and "::" not in word])
            debs = self.binds["/farm/debs"].iterdir()
            self.places.debs.append(sorted(each.name for each in debs))
            self.places.sources = (self.binds["/farm/conf"] / "candidate.sources").read_text()
            if self.places.trouble:
                raise CommandError("apt-get failed.", details=self.places.trouble)
        return Result(tuple(argv), 0, output, "", 0.0)

    def adopt(self, tree: Path) -> None:
        tree.mkdir()

    def remove(self) -> None:
        self.places.alive -= 1


class Shop:
    """A candidate of builds, on the archive of a distribution."""

    def __init__(self, root: Path) -> None:
        self.apt = Apt(root)
        self.base = Base("base", self.apt.layout.trees / "base")
        (self.base.tree / "var/lib/dpkg").mkdir(parents=True)
        self.base.status.touch()
        self.keyring = root / "key.gpg"
        self.keyring.write_text("a key")
        self.told: list[str] = []

    def installation(self, *builds: Build, extra: tuple[str, ...] = ()) -> Installation:
        candidate = Offered(snapshot(*builds), merge(builds), self.keyring, "ipbx", self.apt)
        return Installation(candidate, APP, self.apt.archive, self.base, extra)

    def trial(self, *builds: Build, extra: tuple[str, ...] = ()) -> Trial:
        what = self.installation(*builds, extra=extra)
        with try_package(self.apt.layout, what, tell=self.told.append) as trial:
            return trial


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> Places:
    places = Places()
    monkeypatch.setattr("farm.release.chroot.Overlay", places.overlay)
    monkeypatch.setattr("farm.release.trial.Overlay", places.overlay)
    return places


def test_the_package_is_installed_and_then_tried_on_top(shop: Shop, places: Places) -> None:
    trial = shop.trial(build("app", binary("app", "1:1.0-2"), version="1:1.0-2"))
    assert (trial.package, trial.version, trial.upstream_version) == ("app", "1:1.0-2", "1.0")
    first, second = places.lower
    assert first == ("base",)
    assert second[1:] == first
    assert second[0].startswith("trial-")
    assert shop.told == [f"installing {APP} in a fresh chroot", f"trying {APP}"]
    assert places.alive == 0


def test_exactly_the_versions_of_the_candidate_are_asked_for(shop: Shop, places: Places) -> None:
    shop.apt.publish("tool", "3")
    app = build("app", binary("app"), binary("app-dev", "2:9"))
    shop.trial(app, build("libre"), extra=("tool",))
    assert places.asked == [["app=1.0", "app-dev=2:9"]]
    assert "URIs: file:/farm/candidate\n" in places.sources


def test_packages_of_the_distribution_are_brought_along_and_the_own_are_not(
    shop: Shop, places: Places
) -> None:
    shop.apt.publish("libc6", "2.36")
    shop.apt.publish("tool", "1:3")
    libre = build("libre", binary("libre1", Depends="libc6"))
    places.addresses += "'copy:/mirror/tool.deb' tool_1%3a3_amd64.deb 10 SHA256:c\n"
    shop.trial(build("app", binary("app")), libre, extra=("tool",))
    assert places.debs == [["tool_1%3a3_amd64.deb"]]


def test_it_is_installed_once_and_every_trial_is_fresh(shop: Shop, places: Places) -> None:
    shop.trial(build("app"))
    shop.trial(build("app"))
    assert len(places.asked) == 1
    assert len(places.lower) == 3
    assert places.lower[1] == places.lower[2]


def test_another_candidate_with_the_same_packages_serves_as_well(
    shop: Shop, places: Places
) -> None:
    shop.trial(build("app"))
    shop.trial(build("app"), build("other"))
    assert len(places.asked) == 1


def test_what_is_installed_decides_about_the_chroot(shop: Shop) -> None:
    def key(*builds: Build, extra: tuple[str, ...] = ()) -> str:
        what = shop.installation(*builds, extra=extra)
        return what.key(what.view(shop.apt.layout).solve(*what.words))

    shop.apt.publish("tool", "3")
    needs = binary("app", Depends="libre1")
    again = binary("libre1")
    other = binary("libre1", Maintainer="bob")
    changed = type(other)(
        other.name, other.version, other.architecture,
        type(other.file)(other.file.name, "b" * 64, 11, other.file.path), other.fields,
    )  # fmt: skip
    keys = [
        key(build("app")),
        key(build("app"), extra=("tool",)),
        key(build("app", binary("app", "1.1"), version="1.1")),
        key(build("app", needs), build("libre", binary("libre1"))),
        key(build("app", needs), build("libre", changed)),
    ]
    assert len(set(keys)) == len(keys)
    assert key(build("app", needs), build("libre", again)) == keys[3]


def test_the_twin_of_the_distribution_is_never_taken(shop: Shop, places: Places) -> None:
    places.addresses = (
        "'file:/farm/candidate/pool/app.deb' app_1.0_amd64.deb 10 SHA256:a\n"
        "'copy:/mirror/libre1_1%3a1.0_amd64.deb' libre1_1%3a1.0_amd64.deb 10 SHA256:b\n"
        "'copy:/mirror/tool_3_amd64.deb' tool_3_amd64.deb 10 SHA256:c\n"
    )
    with pytest.raises(FarmFault, match="apt would take libre1 from copy:/mirror/libre1_1%3a1"):
        shop.trial(build("app"), build("libre", binary("libre1")))
    assert places.asked == []


def test_what_cannot_be_installed_is_refused_in_the_words_of_apt(
    shop: Shop, places: Places
) -> None:
    places.trouble = "app.postinst: oh no"
    for _ in range(2):
        with pytest.raises(InstallFailed) as caught:
            shop.trial(build("app"))
    assert caught.value.brief == f"apt does not install {APP} in a fresh chroot."
    assert caught.value.details == places.trouble
    assert len(places.asked) == 2, "a chroot that is not complete is never used"
    assert places.alive == 0
    assert list(shop.apt.layout.temporary.iterdir()) == []


def test_what_apt_finds_no_way_to_install_makes_no_chroot(shop: Shop, places: Places) -> None:
    with pytest.raises(InstallFailed, match=r"apt cannot do 'install app=1\.0' on bookworm"):
        shop.trial(build("app", binary("app", Depends="nothing")))
    assert places.lower == []


def test_a_trial_that_fails_leaves_nothing(shop: Shop, places: Places) -> None:
    what = shop.installation(build("app"))
    with (
        pytest.raises(ZeroDivisionError),
        try_package(shop.apt.layout, what, tell=shop.told.append),
    ):
        raise ZeroDivisionError
    assert places.alive == 0


def test_a_version_that_the_base_has_already_is_asked_for_all_the_same(shop: Shop) -> None:
    shop.apt.install("app", "1.0")
    what = shop.installation(build("app"))
    assert [deb.name for deb in what.view(shop.apt.layout).solve(*what.words)] == ["app"]
