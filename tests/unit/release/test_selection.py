"""What a release of one package takes along."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.build.plan import Job, Plan, job_name
from farm.model.artifact import SourcePackage, StoredFile
from farm.model.graph import Graph
from farm.model.target import Target
from farm.release.selection import select

TARGET = Target("bookworm", "amd64")
NOTHING = StoredFile("none", "", 0, Path("none"))


def source(name: str, *binaries: str) -> SourcePackage:
    return SourcePackage(name, "1.0", name, NOTHING, (), binaries, "a test")


def make_plan(**needs: list[str]) -> Plan:
    """Make a plan of packages; each builds a binary package ``NAME-bin``."""
    jobs = [Job(name, TARGET, source(name, f"{name}-bin")) for name in needs]
    graph = {job_name(name, TARGET): [job_name(each, TARGET) for each in on]
             for name, on in needs.items()}  # fmt: skip
    return Plan({job.name: job for job in jobs}, Graph(graph))


def write_control(folder: Path, text: str) -> Path:
    (folder / "debian").mkdir(parents=True)
    (folder / "debian" / "control").write_text(text)
    return folder


def packages(plan: Plan, *names: str, **folders: Path) -> list[str]:
    chosen = select(plan, [job_name(name, TARGET) for name in names], folders=folders)
    return [plan.jobs[name].package for name in chosen]


def test_what_it_needs_to_build_comes_first() -> None:
    plan = make_plan(libre=[], librem=["libre"], phone=["librem"], other=[])
    assert packages(plan, "phone") == ["libre", "librem", "phone"]


@pytest.mark.parametrize(
    "depends",
    [
        "meta-bin",
        "${shlibs:Depends}, meta-bin (= ${binary:Version}), ${misc:Depends}",
        "nobody-has-this | meta-bin [amd64] <!nocheck>",
        "\n libc6,\n meta-bin (>= 1.0~)",
    ],
)
def test_what_it_needs_to_run_comes_too(tmp_path: Path, depends: str) -> None:
    plan = make_plan(libre=[], meta=["libre"], phone=[], other=[])
    control = f"Source: phone\n\nPackage: phone-bin\nArchitecture: all\nDepends: {depends}\n"
    folder = write_control(tmp_path, control)
    assert packages(plan, "phone", phone=folder) == ["libre", "meta", "phone"]


def test_packages_may_need_each_other_to_run(tmp_path: Path) -> None:
    plan = make_plan(one=[], two=[])
    folders = {
        name: write_control(tmp_path / name, f"Source: {name}\n\nPre-Depends: {other}-bin\n")
        for name, other in (("one", "two"), ("two", "one"))
    }
    assert sorted(packages(plan, "one", **folders)) == ["one", "two"]
