"""What real apt answers about a base and packages that are offered to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.base.errors import FarmFault, InstallFailed
from farm.build.aptview import Deb, flat_repository
from tests.unit.build.apt_sample import Apt, of_file, stanza


@pytest.fixture
def apt(tmp_path: Path) -> Apt:
    return Apt(tmp_path)


# What would be installed.


def test_a_package_and_what_it_needs(apt: Apt) -> None:
    view = apt.offer(
        stanza("libre1", "1.0-1"),
        stanza("libre-dev", "1.0-1", Depends="libre1 (= 1.0-1), re-data"),
        stanza("re-data", "7", architecture="all"),
        stanza("other", "1"),
    )
    assert view.solve("install", "libre-dev") == (
        Deb("libre-dev", "1.0-1", "amd64"), Deb("libre1", "1.0-1", "amd64"),
        Deb("re-data", "7", "all"),
    )  # fmt: skip


@pytest.mark.parametrize("version", ["1:2.0-1", "1.0~rc1+dfsg-1~bpo12+1", "2:1.0~a.b-1+b2"])
def test_versions_with_all_that_a_version_may_have(apt: Apt, version: str) -> None:
    view = apt.offer(stanza("g++-x.y", version))
    assert view.solve("install", "g++-x.y") == (Deb("g++-x.y", version, "amd64"),)


def test_what_the_base_has_is_not_installed_again(apt: Apt) -> None:
    apt.install("libre1", "1.0")
    view = apt.offer(stanza("libre1", "1.0"), stanza("libre-dev", "1.0", Depends="libre1"))
    assert view.solve("install", "libre-dev") == (Deb("libre-dev", "1.0", "amd64"),)


def test_an_upgrade_of_the_base(apt: Apt) -> None:
    apt.install("libre1", "1:1.0")
    view = apt.offer(stanza("libre1", "1:2.0"), stanza("app", "1", Depends="libre1 (>= 1:2.0)"))
    app, libre1 = Deb("app", "1", "amd64"), Deb("libre1", "1:2.0", "amd64")
    assert view.solve("install", "app") == (app, libre1)


def test_what_is_offered_goes_before_a_higher_version_of_the_base(apt: Apt) -> None:
    apt.install("libre1", "2.0")
    view = apt.offer(stanza("libre1", "1.0"), stanza("app", "1", Depends="libre1 (= 1.0)"))
    app, libre1 = Deb("app", "1", "amd64"), Deb("libre1", "1.0", "amd64")
    assert view.solve("install", "app") == (app, libre1)


def test_recommended_packages_are_not_installed(apt: Apt) -> None:
    view = apt.offer(stanza("app", "1", Recommends="extra"), stanza("extra", "1"))
    assert view.solve("install", "app") == (Deb("app", "1", "amd64"),)


def test_nothing_to_do_is_an_answer(apt: Apt) -> None:
    apt.install("libre1", "1.0")
    assert apt.offer(stanza("libre1", "1.0")).solve("install", "libre1") == ()


def test_build_dependencies_of_a_source(apt: Apt, tmp_path: Path) -> None:
    dsc = tmp_path / "app_1.dsc"
    dsc.write_text(
        "Format: 3.0 (native)\nSource: app\nBinary: app\nArchitecture: any\nVersion: 1\n"
        "Maintainer: alice\nBuild-Depends: libre-dev, other [arm64], tester <!nocheck>\n"
        f"Files:\n {'a' * 32} 1 app_1.tar.xz\n"
    )
    view = apt.offer(*(stanza(name, "1") for name in ("libre-dev", "tester", "build-essential")))
    words = ["-oAPT::Build-Essential::=build-essential", "build-dep", str(dsc)]
    assert {deb.name for deb in view.solve(*words)} == {"build-essential", "libre-dev", "tester"}
    without = view.solve("--build-profiles=nocheck", *words)
    assert {deb.name for deb in without} == {"build-essential", "libre-dev"}


def test_an_answer_holds_for_whoever_asks_again(apt: Apt) -> None:
    first = apt.offer(stanza("app", "1")).solve("install", "app")
    again = apt.offer(stanza("app", "1"))
    (again.folder / "apt.conf").write_text("nothing that apt could read {")
    assert again.solve("install", "app") == first


# Why not.


def test_a_dependency_that_is_missing_is_named_in_the_words_of_apt(apt: Apt) -> None:
    view = apt.offer(stanza("app", "1", Depends="libre1 (>= 3), libre2"), stanza("libre1", "2"))
    with pytest.raises(InstallFailed) as caught:
        view.solve("-oAPT::Get::Fix-Broken=false", "install", "app")
    assert caught.value.brief == "apt cannot do 'install app' on bookworm-amd64."
    first, *lines = caught.value.details.splitlines()
    assert first == "The following packages have unmet dependencies:"
    assert "app : Depends: libre1 (>= 3) but it is not going to be installed" in lines[0]
    assert "Depends: libre2 but it is not installable" in lines[1]
    assert "Reading package lists" not in caught.value.details


def test_a_package_that_nobody_has(apt: Apt) -> None:
    with pytest.raises(InstallFailed) as caught:
        apt.view().solve("install", "app")
    assert caught.value.details == "E: Unable to locate package app"


def test_an_answer_that_cannot_be_read_is_not_taken_for_less(apt: Apt) -> None:
    strange = stanza("libre1", "1").replace("./libre1.deb", "./libre1.zip")
    view = apt.offer(stanza("app", "1", Depends="libre1"), strange)
    with pytest.raises(FarmFault, match="apt's answer has lines that the farm cannot read"):
        view.solve("install", "app")


# What is downloaded.


def test_packages_of_the_archive_are_fetched_and_those_that_are_offered_are_not(apt: Apt) -> None:
    published = apt.publish("libc6", "2:2.36")
    apt.offered.mkdir()
    (apt.offered / "app.deb").write_text("an own package")
    view = apt.offer(of_file(stanza("app", "1", Depends="libc6"), apt.offered / "app.deb"))
    debs = view.solve("install", "app")
    assert [deb.name for deb in debs] == ["app", "libc6"]
    assert view.download("install", "app", debs=debs) == {
        debs[1]: apt.layout.debs / "libc6_2%3a2.36_amd64.deb"
    }
    assert (apt.layout.debs / debs[1].file_name).read_bytes() == published.read_bytes()


def test_what_was_fetched_once_is_not_fetched_again(apt: Apt) -> None:
    published = apt.publish("libc6", "2.36")
    view = apt.view()
    debs = view.solve("install", "libc6")
    first = view.download("install", "libc6", debs=debs)
    published.unlink()
    assert view.download("install", "libc6", debs=debs) == first


def test_a_file_that_is_not_what_the_index_says_is_refused(apt: Apt) -> None:
    published = apt.publish("libc6", "2.36")
    view = apt.view()
    debs = view.solve("install", "libc6")
    published.write_text("evil bytes")
    with pytest.raises(FarmFault) as caught:
        view.download("install", "libc6", debs=debs)
    assert caught.value.brief == "The distribution's archive did not give all packages."
    assert "Hash Sum mismatch" in caught.value.details or "unexpected size" in caught.value.details
    assert list(apt.layout.debs.glob("*.deb")) == []


def test_what_is_offered_goes_before_a_higher_version_of_the_archive(apt: Apt) -> None:
    apt.publish("libre1", "2.0")
    view = apt.offer(stanza("libre1", "1.0"))
    assert view.solve("install", "libre1") == (Deb("libre1", "1.0", "amd64"),)


# Views and what is offered.


def test_the_same_packages_are_the_same_view(apt: Apt) -> None:
    one = apt.offer(stanza("app", "1"))
    assert apt.offer(stanza("app", "1")).identity == one.identity
    assert apt.offer(stanza("app", "2")).identity != one.identity
    assert apt.view().identity != one.identity


def test_another_base_is_another_view(apt: Apt) -> None:
    first = apt.view().identity
    apt.install("libre1", "1")
    changed = apt.view().identity
    apt.status = apt.status.rename(apt.status.with_name("of another chroot"))
    assert len({first, changed, apt.view().identity}) == 3


def test_an_offer_says_what_apt_must_know_to_trust_it(apt: Apt) -> None:
    extra = flat_repository(apt.offered, stanzas=[stanza("a", "1"), stanza("b", "1")])
    index = (apt.offered / "Packages").read_text()
    assert index.count("\n\n") == 1
    release = (apt.offered / "Release").read_text()
    assert f"Label: {extra.label}\n" in release
    assert f" {len(index)} Packages\n" in release
    assert f"URIs: file:{apt.offered.parent}/offered%20ones\n" in extra.stanza


def test_a_file_in_the_cache_of_apt_has_colons_quoted() -> None:
    assert Deb("libre1", "1:2.0~rc1-1", "amd64").file_name == "libre1_1%3a2.0~rc1-1_amd64.deb"
    assert Deb("g++", "4:12.2", "all").file_name == "g++_4%3a12.2_all.deb"
