"""What is in a candidate, and what its absence is to be blamed on."""

from __future__ import annotations

import pytest

from farm.model.target import Target
from farm.release.candidate import merge
from farm.release.gates import Unit
from tests.unit.release.candidate_sample import AMD64, binary, build, candidate

ARM64 = Target("bookworm", "arm64")
APP = Unit("app", AMD64)


def test_units_and_targets_have_an_order() -> None:
    found = candidate(build("libre"), build("app", target=ARM64), build("app"))
    assert found.units == (APP, Unit("app", ARM64), Unit("libre", AMD64))
    assert found.targets == (AMD64, ARM64)


def test_binary_packages_of_one_target() -> None:
    arm64 = binary("libre1", architecture="arm64")
    found = candidate(build("libre", binary("libre1")), build("libre", arm64, target=ARM64))
    assert found.binaries(ARM64) == {"libre1": arm64}
    assert found.binaries(Target("trixie", "amd64")) == {}


def test_of_two_builds_of_a_unit_the_later_is_taken() -> None:
    kept, built = build("app", version="1.0"), build("app", version="1.1")
    other = build("libre")
    assert merge([kept, other, built]) == {APP: built, Unit("libre", AMD64): other}


def test_an_entry_of_the_sources_of_apt() -> None:
    found = candidate(build("app")).stanza(AMD64, tree="/my farm/x", keyring="/key.gpg")
    assert found == (
        "Types: deb\nURIs: file:/my%20farm/x\nSuites: bookworm\nComponents: main\n"
        "Signed-By: /key.gpg\n"
    )


# What is missing.

MISSING = {"libre1": "libre@bookworm-amd64"}
BLAMED = MISSING["libre1"]


@pytest.mark.parametrize(
    "depends",
    ["libre1", "libre1 (>= 9)", "libc6, libre1", "other | libre1", "libre1:any", "libre1 | other"],
)
def test_a_package_that_needs_what_is_missing(depends: str) -> None:
    found = candidate(build("app", binary("app", Depends=depends)))
    assert found.find_missing(APP, MISSING) == BLAMED


def test_what_is_needed_before_unpacking_counts_too() -> None:
    found = candidate(build("app", binary("app", Pre_Depends="libre1")))
    assert found.find_missing(APP, MISSING) == BLAMED


@pytest.mark.parametrize("field", ["Recommends", "Suggests", "Conflicts", "Breaks", "Enhances"])
def test_other_relations_do_not_count(field: str) -> None:
    found = candidate(build("app", binary("app", **{field: "libre1"})))
    assert found.find_missing(APP, MISSING) == ""


def test_it_is_found_over_a_chain_of_packages() -> None:
    found = candidate(
        build("app", binary("app", Depends="app-data, librem1")),
        build("librem", binary("librem1", Depends="librem-common"), binary("librem-common",
              Pre_Depends="libc6, libre1")),
    )  # fmt: skip
    assert found.find_missing(APP, MISSING) == BLAMED
    assert found.find_missing(Unit("librem", AMD64), MISSING) == BLAMED


def test_every_binary_package_of_the_unit_is_looked_at() -> None:
    found = candidate(build("app", binary("app"), binary("app-dev", Depends="libre1")))
    assert found.find_missing(APP, MISSING) == BLAMED


def test_a_chain_that_leads_elsewhere_is_not_blamed() -> None:
    found = candidate(
        build("app", binary("app", Depends="librem1")),
        build("librem", binary("librem1"), binary("librem-dev", Depends="libre1")),
        build("other", binary("other", Depends="libre1")),
    )
    assert found.find_missing(APP, MISSING) == ""


def test_packages_that_need_each_other_are_looked_at_once() -> None:
    found = candidate(
        build("app", binary("app", Depends="libapp")),
        build("libapp", binary("libapp", Depends="app, libapp")),
    )
    assert found.find_missing(APP, MISSING) == ""


def test_a_unit_that_is_missing_itself_needs_nothing() -> None:
    assert candidate(build("libre")).find_missing(APP, MISSING) == ""


def test_targets_do_not_mix() -> None:
    needs = binary("librem1", architecture="arm64", Depends="libre1")
    found = candidate(build("app", binary("app", Depends="librem1")),
                      build("librem", needs, target=ARM64))  # fmt: skip
    assert found.find_missing(APP, MISSING) == ""
    assert found.find_missing(Unit("librem", ARM64), MISSING) == BLAMED
