"""Whether real apt finds the packages of a candidate installable."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.base.errors import AuditFailed, FarmFault, InstallFailed
from farm.build.aptview import AptView
from farm.model.artifact import Build
from farm.model.target import Target
from farm.release.candidate import Candidate
from farm.release.checks import check_installable, check_signatures
from farm.release.gates import Unit
from tests.unit.build.apt_sample import Apt, stanza
from tests.unit.release.candidate_sample import AMD64, binary, build, candidate

APP = Unit("app", AMD64)


@pytest.fixture
def apt(tmp_path: Path) -> Apt:
    return Apt(tmp_path)


def offer(apt: Apt, found: Candidate) -> AptView:
    """Show apt all packages of a candidate, as its snapshot would."""
    return apt.offer(
        *(
            stanza(each.name, each.version, **dict(each.fields[3:]))
            for each in found.binaries(AMD64).values()
        )
    )


def check(apt: Apt, *builds: Build) -> None:
    found = candidate(*builds)
    check_installable(found, APP, offer(apt, found))


def test_packages_that_can_be_installed(apt: Apt) -> None:
    apt.publish("libc6", "2.36")
    check(
        apt,
        build("app", binary("app", "1:2.0-1", Depends="libre1, libc6 (>= 2)"), binary("app-dev")),
        build("libre", binary("libre1")),
    )


def test_a_package_that_cannot_is_refused_with_the_reason_of_apt(apt: Apt) -> None:
    with pytest.raises(InstallFailed) as caught:
        check(apt, build("app", binary("app"), binary("app-dev", Depends="libre-dev (>= 3)")))
    assert caught.value.brief == "apt cannot install app-dev from the candidate."
    assert "libre-dev (>= 3)" in caught.value.details
    assert caught.value.hint


def test_packages_of_one_source_may_conflict_with_each_other(apt: Apt) -> None:
    check(apt, build("app", binary("app", Conflicts="app-tiny"), binary("app-tiny")))


def test_a_package_that_conflicts_with_what_it_needs_is_refused(apt: Apt) -> None:
    apt.publish("libre1", "1")
    with pytest.raises(InstallFailed):
        check(apt, build("app", binary("app", Depends="libre1", Conflicts="libre1")))


def test_a_version_that_the_base_has_already_is_taken_from_the_candidate(apt: Apt) -> None:
    apt.install("app", "1.0")
    check(apt, build("app"))


def test_a_version_lower_than_that_of_the_base_is_taken_from_the_candidate(apt: Apt) -> None:
    apt.install("app", "2.0")
    check(apt, build("app"))


def test_a_package_that_the_repository_lacks_is_not_installable(apt: Apt) -> None:
    with pytest.raises(InstallFailed, match="apt cannot install app from the candidate"):
        check_installable(candidate(build("app")), APP, offer(apt, candidate(build("other"))))


# That apt has verified the candidate.


def take(apt: Apt, *names: str) -> AptView:
    """A view with indexes of these names."""
    view = apt.view()
    for name in names:
        (view.folder / "lists" / name).touch()
    return view


SIGNED = "_home_alice_.farm_store_snapshots_id_tree_dists_bookworm_InRelease"


def test_a_signed_index_of_the_candidate_was_taken(apt: Apt) -> None:
    check_signatures(candidate(build("app")), AMD64, take(apt, SIGNED))


@pytest.mark.parametrize(
    "name",
    [
        SIGNED.replace("InRelease", "Release"),
        SIGNED.replace("bookworm", "trixie"),
        "mirror.example_debian_dists_bookworm_InRelease",
    ],
)
def test_no_signed_index_of_the_candidate_was_taken(apt: Apt, name: str) -> None:
    with pytest.raises(AuditFailed, match="apt took no signed index of the candidate"):
        check_signatures(candidate(build("app")), AMD64, take(apt, name))


def test_a_target_without_packages_has_nothing_to_verify(apt: Apt) -> None:
    arm64 = Target("bookworm", "arm64")
    with pytest.raises(FarmFault, match="holds nothing for bookworm-arm64"):
        check_signatures(candidate(build("app")), arm64, take(apt, SIGNED))
