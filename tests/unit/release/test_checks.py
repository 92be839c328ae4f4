"""What must hold before a repository takes a candidate: versions, contents, dependencies."""

from __future__ import annotations

import pytest

from farm.base.errors import AuditFailed
from farm.model.artifact import BinaryPackage
from farm.model.target import Target
from farm.release.checks import check_contents, check_dependencies, check_versions
from farm.release.gates import Unit
from farm.report.records import Claim, Conflict
from tests.unit.release.candidate_sample import AMD64, binary, build, candidate, snapshot

APP = Unit("app", AMD64)
LIBRE = build("libre", binary("libre1", "1:1.4.6-1"), version="1:1.4.6-1")


def check(depends: str, *, policy: str, own: bool = True) -> None:
    """Look at a package with these dependencies, beside libre1 1:1.4.6-1."""
    found = candidate(build("app", binary("app", "2.0", Depends=depends)), LIBRE)
    check_dependencies(found, APP, policy=policy, own=own)


def refused(depends: str, *, policy: str, own: bool = True) -> AuditFailed:
    with pytest.raises(AuditFailed) as caught:
        check(depends, policy=policy, own=own)
    return caught.value


FITTING = [
    "libre1 (>= 1:1.4)", "libre1 (>= 1:1.4.6-1)", "libre1 (<= 1:1.4.6-1)", "libre1 (<< 1:1.5)",
    "libre1 (>> 1.9)", "libre1", "libre1:any (>= 1:1.0)",
]  # fmt: skip
NOT_FITTING = [
    "libre1 (= 1.4.6-1)", "libre1 (= 1:1.4.7-1)", "libre1 (>= 1:1.4.6-2)", "libre1 (<< 1:1.4.6-1)",
    "libre1 (>> 1:1.4.6-1)", "libre1 (<= 1:1.4.6~rc1)", "libre1 (>= 1:2), libc6",
]  # fmt: skip


@pytest.mark.parametrize(
    "depends",
    ["libre1 (= 1:1.4.6-1)", "libc6 (>= 2.36), libre1 (= 1:1.4.6-1)", "libc6", "",
     "libre1 (= 1:1.4.6-1) | other", "other | libre1 (= 1:1.4.6-1)"],
)  # fmt: skip
def test_own_packages_ask_for_the_exact_version(depends: str) -> None:
    check(depends, policy="exact")


@pytest.mark.parametrize("depends", [*FITTING, *NOT_FITTING, "libre1 (>= 1:1.4) | other"])
def test_own_packages_may_not_ask_for_less_than_the_exact_version(depends: str) -> None:
    refused(depends, policy="exact")


def test_a_refusal_says_what_was_asked_for_what_there_is_and_what_to_write() -> None:
    error = refused("libre1 (= 1:1.4.5-1)", policy="exact")
    assert error.brief == (
        "app 2.0 asks for libre1 (= 1:1.4.5-1), and the candidate has libre1 1:1.4.6-1."
    )
    assert error.hint == (
        "The policy wants exact versions: write 'libre1 (= 1:1.4.6-1)' in debian/control."
    )
    assert "libre1 (any version)" in refused("libre1", policy="exact").brief


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("depends", FITTING)
def test_compatible_takes_what_fits(depends: str, own: bool) -> None:  # noqa: FBT001
    check(depends, policy="compatible", own=own)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("depends", NOT_FITTING)
def test_compatible_refuses_what_does_not_fit(depends: str, own: bool) -> None:  # noqa: FBT001
    assert "exact" not in refused(depends, policy="compatible", own=own).hint


@pytest.mark.parametrize("depends", FITTING)
def test_imported_packages_may_ask_for_what_their_distribution_wrote(depends: str) -> None:
    check(depends, policy="exact", own=False)


@pytest.mark.parametrize("depends", NOT_FITTING)
def test_imported_packages_get_what_they_ask_for(depends: str) -> None:
    refused(depends, policy="exact", own=False)


@pytest.mark.parametrize("depends", ["libre1 (>= 9) | other", "other | libre1 (= 0)"])
def test_an_alternative_of_the_distribution_is_for_apt_to_decide(depends: str) -> None:
    check(depends, policy="compatible")
    check(depends, policy="exact", own=False)


@pytest.mark.parametrize("depends", [*FITTING, *NOT_FITTING])
def test_off_looks_at_nothing(depends: str) -> None:
    check(depends, policy="off")


def test_one_alternative_of_the_candidate_is_enough() -> None:
    app = build("app", binary("app", Depends="libre1 (= 0) | libre2 (= 1.0)"))
    found = candidate(app, LIBRE, build("libre2"))
    check_dependencies(found, APP, policy="exact", own=True)
    two = build("app", binary("app", Depends="libre1 (= 0) | libre2 (= 0)"))
    with pytest.raises(AuditFailed, match="asks for libre1"):
        check_dependencies(candidate(two, LIBRE, build("libre2")), APP, policy="exact", own=True)


def test_what_is_needed_before_unpacking_counts_too() -> None:
    app = build("app", binary("app", Pre_Depends="libre1 (= 0)"))
    with pytest.raises(AuditFailed):
        check_dependencies(candidate(app, LIBRE), APP, policy="compatible", own=True)


def test_every_binary_package_of_the_unit_is_looked_at() -> None:
    app = build("app", binary("app"), binary("app-dev", Depends="libre1"))
    with pytest.raises(AuditFailed, match=r"app-dev 1\.0 asks for libre1"):
        check_dependencies(candidate(app, LIBRE), APP, policy="exact", own=True)


def test_packages_of_one_source_may_ask_each_other_for_anything() -> None:
    """They come out of one build: their versions are what debian/control says."""
    app = build("app", binary("app", Depends="app-data"), binary("app-data"))
    check_dependencies(candidate(app), APP, policy="exact", own=True)


def test_another_target_has_nothing_to_do_with_it() -> None:
    arm64 = Target("bookworm", "arm64")
    app = build("app", binary("app", Depends="libre1 (>= 9)"))
    libre = build("libre", binary("libre1", architecture="arm64"), target=arm64)
    check_dependencies(candidate(app, libre), APP, policy="compatible", own=True)


# Versions.


def versions(offered: str, **held: str) -> None:
    """Offer a version of app to repositories that hold these."""
    holders = {
        name: snapshot(build("app", version=version), repository=name) if version else None
        for name, version in held.items()
    }
    check_versions(candidate(build("app", version=offered)), APP, holders)


@pytest.mark.parametrize("held", ["1.0", "1.1", "1.1~rc1", ""])
def test_versions_may_stay_or_rise(held: str) -> None:
    versions("1.1", rc=held)


def test_a_lower_version_is_refused_with_the_repository_that_holds_the_higher() -> None:
    with pytest.raises(AuditFailed) as caught:
        versions("1.1~rc1", rc="1.0", production="1.1")
    assert caught.value.brief == (
        "app amd64 in bookworm would go back from 1.1 to 1.1~rc1, which production holds."
    )
    assert "app source" in caught.value.details
    assert caught.value.hint == "Give it a higher version in its changelog."


def test_only_the_unit_itself_is_looked_at() -> None:
    held = snapshot(build("app", version="1.0"), build("other", version="9"))
    offered = candidate(build("app", version="1.0"), build("other", version="1"))
    check_versions(offered, APP, {"rc": held})
    with pytest.raises(AuditFailed):
        check_versions(offered, Unit("other", AMD64), {"rc": held})


def test_only_the_distribution_of_the_unit_is_looked_at() -> None:
    trixie = Target("trixie", "amd64")
    held = snapshot(build("app", version="2.0", target=trixie), build("app", version="1.0"))
    older = build("app", binary("app", "1.9"), version="1.9", target=trixie)
    offered = candidate(build("app", version="1.0"), older)
    check_versions(offered, APP, {"rc": held})
    with pytest.raises(AuditFailed, match="in trixie would go back"):
        check_versions(offered, Unit("app", trixie), {"rc": held})


def test_a_binary_package_that_moves_to_another_source_does_not_go_backwards_either() -> None:
    held = snapshot(build("old", binary("tool", "2.0"), version="2.0"))
    offered = candidate(build("app", binary("tool", "1.0"), version="1.0"))
    with pytest.raises(AuditFailed, match=r"tool amd64 .* from 2.0 to 1.0, which rc holds"):
        check_versions(offered, APP, {"rc": held})


# Contents.


def test_no_second_content_is_fine() -> None:
    check_contents([])


def test_a_second_content_is_refused_with_all_that_have_one() -> None:
    def conflict(package: BinaryPackage) -> Conflict:
        claim = Claim(package.name, package.version, "amd64", "a" * 64, "rc")
        return Conflict(claim, Claim(package.name, package.version, "amd64", "b" * 64, "dev"))

    with pytest.raises(AuditFailed) as caught:
        check_contents([conflict(binary(f"lib{number}")) for number in range(30)])
    assert caught.value.brief.startswith("lib0 1.0 amd64 would have a second content: dev has")
    assert len(caught.value.details.splitlines()) == 20
    assert "higher version" in caught.value.hint
