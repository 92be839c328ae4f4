"""What a job builds with, as real apt says, and where each package lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.base.errors import InstallFailed
from farm.base.files import sha256_of
from farm.build.chroots import Base
from farm.build.dependencies import Dependencies
from farm.build.plan import Job
from farm.model.artifact import BinaryPackage, Build, SourcePackage, StoredFile
from farm.model.target import Target
from tests.unit.build.apt_sample import Apt
from tests.unit.build.conftest import MakeJob

TARGET = Target("bookworm", "amd64")


class Farm:
    """Builds that were made, and what resolves dependencies on them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.told: list[str] = []
        self.apt = apt = Apt(root)
        tree = root / "base"
        (tree / "var/lib/dpkg").mkdir(parents=True)
        (tree / "var/lib/dpkg/status").touch()
        self.layout = apt.layout
        self.resolver = Dependencies(
            apt.layout, archive=apt.archive, base=Base("base", tree), tell=self.told.append
        )
        self.builds = [self.build("build-essential", depends="make"), self.build("make"),
                       self.build("fakeroot")]  # fmt: skip

    def build(self, name: str, *, version: str = "1:1.0", depends: str = "") -> Build:
        path = self.root / f"{name}_{version.partition(':')[2]}_amd64.deb"
        path.write_text(f"{name} {version} {depends}")
        file = StoredFile(path.name, sha256_of(path), path.stat().st_size, path)
        fields = {"Package": name, "Version": version, "Architecture": "amd64",
                  "Maintainer": "alice", "Depends": depends,
                  "Description": "one\n more\n ."}  # fmt: skip
        pairs = tuple((key, value) for key, value in fields.items() if value)
        binary = BinaryPackage(name, version, "amd64", file, pairs)
        dsc = StoredFile(f"{name}.dsc", "d", 1, self.root / f"{name}.dsc")
        source = SourcePackage(name, version, f"digest of {name}", dsc, (), (name,), "a test")
        return Build(name, TARGET, f"key of {name}", source, (binary,), file, file, path, 1.0)

    def resolve(self, job: Job) -> dict[str, Path]:
        """Package to the file that it is installed from."""
        choices = self.resolver.resolve(job, self.builds)
        for choice in choices.values():
            assert choice.sha256 == sha256_of(choice.path)
        return {deb.name: choice.path for deb, choice in choices.items()}


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    return Farm(tmp_path)


ALWAYS = {"build-essential", "fakeroot", "make"}


def test_every_build_has_a_compiler_and_what_the_builder_needs(
    farm: Farm, make_job: MakeJob
) -> None:
    assert set(farm.resolve(make_job("app"))) == ALWAYS


def test_the_own_packages_are_taken_with_all_that_they_need(farm: Farm, make_job: MakeJob) -> None:
    farm.builds += [farm.build("libre-dev", depends="libre1 (= 1:1.0)"), farm.build("libre1"),
                    farm.build("other")]  # fmt: skip
    found = farm.resolve(make_job("app", Build_Depends="libre-dev (>= 1:0.9)"))
    assert set(found) == ALWAYS | {"libre-dev", "libre1"}
    assert found["libre1"] == farm.root / "libre1_1.0_amd64.deb"


def test_build_profiles_count(farm: Farm, make_job: MakeJob) -> None:
    farm.builds.append(farm.build("tester"))
    field = "tester <!nocheck>"
    with_tests = make_job("app", Build_Depends=field)
    without = make_job("tool", Build_Depends=field, profiles=("nocheck", "nodoc"))
    assert set(farm.resolve(with_tests)) == ALWAYS | {"tester"}
    assert set(farm.resolve(without)) == ALWAYS


def test_the_same_question_is_asked_once(farm: Farm, make_job: MakeJob) -> None:
    job = make_job("app", Build_Depends="make")
    assert farm.resolve(job) == farm.resolve(job)
    assert farm.told == ["resolving build dependencies"]


def test_it_is_asked_again_when_the_question_or_what_is_offered_changes(
    farm: Farm, make_job: MakeJob
) -> None:
    farm.resolve(make_job("app"))
    farm.resolve(make_job("tool", Build_Depends="make"))
    farm.builds.append(farm.build("other"))
    farm.resolve(make_job("more"))
    assert len(farm.told) == 3


def test_a_package_of_the_distribution_is_fetched(farm: Farm, make_job: MakeJob) -> None:
    published = farm.apt.publish("libc6-dev", "2.36")
    found = farm.resolve(make_job("app", Build_Depends="libc6-dev"))
    assert found["libc6-dev"] == farm.layout.debs / "libc6-dev_2.36_amd64.deb"
    assert found["libc6-dev"].read_bytes() == published.read_bytes()


def test_a_package_of_the_distribution_that_was_cleared_away_is_fetched_again(
    farm: Farm, make_job: MakeJob
) -> None:
    farm.apt.publish("libc6-dev", "2.36")
    job = make_job("app", Build_Depends="libc6-dev")
    farm.resolve(job)["libc6-dev"].unlink()
    assert farm.resolve(job)["libc6-dev"].is_file()


def test_the_distribution_does_not_help_out_where_the_own_version_does_not_fit(
    farm: Farm, make_job: MakeJob
) -> None:
    farm.apt.publish("libre1", "1:0.9")
    farm.builds.append(farm.build("libre1"))
    with pytest.raises(InstallFailed) as caught:
        farm.resolve(make_job("app", Build_Depends="libre1 (<< 1:1.0)"))
    assert "libre1 (< 1:1.0) but 1:1.0 is to be installed" in caught.value.details


def test_of_two_packages_with_one_version_the_own_is_taken(farm: Farm, make_job: MakeJob) -> None:
    farm.apt.publish("libre1", "1:1.0")
    farm.builds.append(farm.build("libre1"))
    found = farm.resolve(make_job("app", Build_Depends="libre1"))
    assert found["libre1"] == farm.root / "libre1_1.0_amd64.deb"


def test_a_newer_build_is_taken_instead_of_the_older(farm: Farm, make_job: MakeJob) -> None:
    job = make_job("app", Build_Depends="make")
    farm.resolve(job)
    farm.builds[1] = farm.build("make", version="1:2.0")
    assert farm.resolve(job)["make"].name == "make_2.0_amd64.deb"


def test_what_is_not_there_is_said_in_the_words_of_apt(farm: Farm, make_job: MakeJob) -> None:
    farm.builds.append(farm.build("libre-dev"))
    with pytest.raises(InstallFailed) as caught:
        farm.resolve(make_job("app", Build_Depends="libre-dev (>= 2:0), nothing-dev"))
    assert caught.value.brief == "apt cannot do 'build-dep app_1.0.dsc' on bookworm-amd64."
    assert "libre-dev (>= 2:0)" in caught.value.details
