"""Who is built before whom: what the sources themselves say of it."""

from __future__ import annotations

import pytest

from farm.base.errors import AuditFailed, InputError
from farm.build.plan import Job, job_name, make_plan
from farm.model.target import Target
from tests.unit.build.conftest import MakeJob

AMD64, ARM64 = "bookworm-amd64", "bookworm-arm64"


def needs(*jobs: Job, of: str = "app") -> tuple[str, ...]:
    """The packages that one needs directly, on its own target."""
    (job,) = [job for job in jobs if job.package == of]
    found = make_plan(jobs).needs(job.name)
    assert all(name.endswith(f"@{job.target}") for name in found)
    return tuple(name.partition("@")[0] for name in found)


@pytest.fixture
def libre(make_job: MakeJob) -> Job:
    return make_job("libre", binaries="libre1, libre-dev, libre-doc")


def test_a_job_is_named_by_package_and_target(libre: Job) -> None:
    assert libre.name == job_name("libre", Target("bookworm", "amd64")) == "libre@bookworm-amd64"


@pytest.mark.parametrize("field", ["Build-Depends", "Build-Depends-Indep", "Build-Depends-Arch"])
def test_all_fields_about_building_count(make_job: MakeJob, libre: Job, field: str) -> None:
    assert needs(libre, make_job("app", **{field: "debhelper, libre-dev"})) == ("libre",)


@pytest.mark.parametrize("field", ["Build-Conflicts", "Depends", "Testsuite-Triggers"])
def test_other_fields_do_not(make_job: MakeJob, libre: Job, field: str) -> None:
    assert needs(libre, make_job("app", **{field: "libre-dev"})) == ()


@pytest.mark.parametrize(
    "relation",
    [
        "libre-dev",
        "libre-dev (>= 99)",
        "libre-dev:native",
        "libre-dev [amd64]",
        "libre-dev [linux-any]",
        "libre-dev [!arm64]",
        "libre-dev <!nocheck>",
        "other | libre-dev",
        "libre-dev | other",
        "debhelper,\n libre-doc <!nodoc>,\n other",
    ],
)
def test_what_makes_a_need(make_job: MakeJob, libre: Job, relation: str) -> None:
    assert needs(libre, make_job("app", Build_Depends=relation)) == ("libre",)


@pytest.mark.parametrize(
    "relation",
    [
        "debhelper-compat (= 13)",
        "libre",  # the source package: a dependency is on binary packages
        "libre-dev [arm64]",
        "libre-dev [!amd64]",
        "libre-dev <cross>",
        "libre-dev-extra",
    ],
)
def test_what_makes_no_need(make_job: MakeJob, libre: Job, relation: str) -> None:
    assert needs(libre, make_job("app", Build_Depends=relation)) == ()


def test_build_profiles_of_the_job_decide(make_job: MakeJob, libre: Job) -> None:
    field = "libre-dev <!nocheck>"
    assert needs(libre, make_job("app", Build_Depends=field, profiles=("nocheck",))) == ()
    stage1 = make_job("boot", Build_Depends="libre-dev <stage1>", profiles=("stage1",))
    assert needs(libre, stage1, of="boot") == ("libre",)


def test_every_alternative_that_the_farm_builds_is_built_before(make_job: MakeJob) -> None:
    app = make_job("app", Build_Depends="one | two | three")
    assert needs(make_job("one"), make_job("three"), app) == ("one", "three")


def test_a_package_that_builds_with_itself_does_not_wait_for_itself(make_job: MakeJob) -> None:
    assert needs(make_job("app", binaries="app, app-dev", Build_Depends="app-dev")) == ()


def test_targets_are_apart(make_job: MakeJob) -> None:
    jobs = [
        make_job(name, target=target, **fields)
        for target in (AMD64, ARM64)
        for name, fields in (("libre", {}), ("app", {"Build_Depends": "libre [arm64]"}))
    ]
    plan = make_plan(jobs)
    assert plan.needs(f"app@{AMD64}") == ()
    assert plan.needs(f"app@{ARM64}") == (f"libre@{ARM64}",)
    for target in (AMD64, ARM64):
        providers = {"app": f"app@{target}", "libre": f"libre@{target}"}
        assert plan.providers(Target.parse(target)) == providers


def test_what_is_built_first_does_not_depend_on_who_is_listed_first(make_job: MakeJob) -> None:
    jobs = [make_job("app", Build_Depends="libre, librem"), make_job("libre"),
            make_job("librem", Build_Depends="libre"), make_job("other")]  # fmt: skip
    there, back = make_plan(jobs), make_plan(reversed(jobs))
    assert there.graph.order() == back.graph.order()
    assert there.closure([f"app@{AMD64}"]) == tuple(
        f"{name}@{AMD64}" for name in ("libre", "librem", "app")
    )


def test_a_circle_is_refused_with_all_its_members(make_job: MakeJob) -> None:
    needs = {"gcc": "libc", "libc": "linux", "linux": "gcc", "app": "gcc"}
    jobs = [make_job(name, Build_Depends=need) for name, need in needs.items()]
    with pytest.raises(InputError) as caught:
        make_plan(jobs)
    assert f"gcc@{AMD64} -> libc@{AMD64} -> linux@{AMD64} -> gcc@{AMD64}" in caught.value.brief
    assert "app@" not in caught.value.brief


def test_a_build_profile_opens_a_circle(make_job: MakeJob) -> None:
    libc = make_job("libc", Build_Depends="gcc <!stage1>", profiles=("stage1",))
    plan = make_plan([make_job("gcc", Build_Depends="libc"), libc])
    assert plan.graph.order() == (f"libc@{AMD64}", f"gcc@{AMD64}")


def test_two_makers_of_one_binary_package_are_refused(make_job: MakeJob, libre: Job) -> None:
    fork = make_job("libre-fork", binaries="libre-fork1, libre-dev")
    with pytest.raises(AuditFailed) as caught:
        make_plan([fork, libre])
    assert caught.value.brief == (
        f"Both libre-fork@{AMD64} and libre@{AMD64} build a binary package libre-dev."
    )
    assert caught.value.hint


def test_the_same_package_for_two_targets_has_no_two_makers(make_job: MakeJob) -> None:
    plan = make_plan([make_job("libre", target=target) for target in (AMD64, ARM64)])
    assert set(plan.jobs) == {f"libre@{AMD64}", f"libre@{ARM64}"}


def test_nothing_to_build_is_a_plan(make_job: MakeJob) -> None:
    assert make_plan([]).closure([]) == ()
