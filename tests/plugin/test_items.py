"""What items are to the farm: their gate, their subject, and what they need and provide."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from farm.base.files import read_json
from farm.model.target import Target
from farm.plugin.context import ReleaseRun
from farm.plugin.items import Facts, facts_of, howto_package, make_schedule
from farm.plugin.scheduler import Schedule, ScheduledItem
from farm.release.gates import Unit
from tests.plugin.release_sample import FARM_TOML, ROOT, make_workspace, write

pytest_plugins = ["pytester"]

AMD64 = Target("bookworm", "amd64")
LIBRE, LIBREM, SIPSAK = (Unit(name, AMD64) for name in ("libre", "librem", "sipsak"))


@pytest.fixture
def root(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace, in which pytest is run."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    make_workspace(pytester.path)
    return pytester.path


def facts(pytester: pytest.Pytester, *arguments: str) -> dict[str, Facts | None]:
    """What the farm knows of the items that are collected, by node id."""
    items, _ = pytester.inline_genitems(*arguments, "--target", "bookworm-amd64")
    return {item.nodeid: facts_of(item, pytester.path) for item in items}


# What an item is.


@pytest.mark.usefixtures("root")
def test_checks_of_a_package_and_of_a_target(pytester: pytest.Pytester) -> None:
    found = facts(pytester, "release_tests", "--release", "rc")
    assert found["release_tests/test_build.py::test_build[librem@bookworm-amd64]"] == Facts(
        "build", "build", LIBREM
    )
    assert found["release_tests/test_repository.py::test_lint[sipsak@bookworm-amd64]"] == Facts(
        "repository", "lint", SIPSAK
    )
    assert found["release_tests/test_repository.py::test_contents[bookworm-amd64]"] == Facts(
        "repository", "contents", AMD64
    )
    assert found["release_tests/test_publish.py::test_publish[rc]"] is None


def test_names_in_the_ledger() -> None:
    check = Facts("repository", "lint", SIPSAK)
    assert check.item == "repository/lint[sipsak@bookworm-amd64]"
    assert check.name == "repository/lint"
    contents = Facts("repository", "contents", AMD64)
    assert contents.item == "repository/contents[bookworm-amd64]"


@pytest.mark.parametrize(
    ("gate", "check", "of_build"),
    [("build", "build", True), ("repository", "lint", True), ("repository", "howto", False),
     ("lifecycle", "purge", True), ("lifecycle", "upgrade", False),
     ("repository", "installable", False), ("howto", "howtos/x.md::howto", False)],
)  # fmt: skip
def test_checks_of_a_build_need_no_candidate(
    gate: str, check: str, of_build: bool  # noqa: FBT001
) -> None:  # fmt: skip
    assert Facts(gate, check, SIPSAK).is_of_build is of_build


def test_howtos_are_named_by_file_class_and_function(
    pytester: pytest.Pytester, root: Path
) -> None:
    write(
        root / "howtos/sipsak/test_sipsak.py",
        "import pytest\n\nclass TestCall:\n    def test_it(self, host): pass\n\n"
        "@pytest.mark.parametrize('port', [5060, 5061])\ndef test_port(package, port): pass\n",
    )
    found = facts(pytester, "howtos", "--release", "rc")
    names = {known.check for known in found.values() if known and known.subject == SIPSAK}
    assert names == {
        "howtos/sipsak.md::howto",
        "howtos/sipsak/test_sipsak.py::TestCall::test_it[bookworm-amd64]",
        "howtos/sipsak/test_sipsak.py::test_port[bookworm-amd64-5060]",
        "howtos/sipsak/test_sipsak.py::test_port[bookworm-amd64-5061]",
    }
    assert {known.gate for known in found.values() if known} == {"howto"}


def test_a_check_with_parameters_of_its_own_is_several(
    pytester: pytest.Pytester, root: Path
) -> None:
    write(
        root / "checks/test_more.py",
        "import pytest\n\npytestmark = pytest.mark.farm_gate('repository')\n\n"
        "@pytest.mark.parametrize('tool', ['a', 'b'])\ndef test_lint(released, tool): pass\n",
    )
    found = facts(pytester, "checks", "--release", "rc", "--package", "sipsak")
    names = {known.name for known in found.values() if known}
    assert len(names) == 2
    assert "repository/lint" not in names, "nobody takes them for the check of the farm"


def test_what_belongs_to_no_gate(pytester: pytest.Pytester, root: Path) -> None:
    write(
        root / "checks/test_more.py",
        "import pytest\n\ndef test_plain(): pass\n\ndef test_without_mark(released): pass\n\n"
        "@pytest.mark.farm_gate('build')\ndef test_without_subject(): pass\n\n"
        "@pytest.mark.farm_gate\ndef test_without_gate(released): pass\n",
    )
    assert set(facts(pytester, "checks", "--release", "rc").values()) == {None}


@pytest.mark.parametrize(
    ("path", "package"),
    [
        ("howtos/sipsak/test_sipsak.py", "sipsak"),
        ("howtos/sipsak/test_more.py", "sipsak"),
        ("howtos/test_sipsak.py", ""),
        ("howtos/sipsak/deep/test_sipsak.py", ""),
        ("release_tests/sipsak/test_sipsak.py", ""),
        ("other/howtos/sipsak/test_sipsak.py", ""),
        ("/elsewhere/howtos/sipsak/test_sipsak.py", ""),
    ],
)
def test_the_package_that_a_howto_is_about(path: str, package: str) -> None:
    assert howto_package(Path("/workspace") / path, Path("/workspace")) == package


# What an item needs and provides.


def schedule(pytester: pytest.Pytester) -> Schedule:
    """What a release with workers goes by."""
    pytester.runpytest_subprocess(
        "-p", "tests.plugin.fake_workshop", "--release", "rc", "-n2", timeout=60
    ).assert_outcomes(passed=35)
    (path,) = (pytester.path / ".farm/runs").glob("*/schedule.json")
    return Schedule.from_json(read_json(path))


EVERYTHING = {
    f"build:{unit}" for unit in (LIBRE, LIBREM, SIPSAK, Unit("libre", Target("bookworm", "arm64")))
}


def test_what_had_nothing_to_upgrade_is_not_taken_for_quick(
    pytester: pytest.Pytester, root: Path
) -> None:
    gates = FARM_TOML.replace('"howto"]', '"upgrade"]')
    write(root / "farm.toml", gates + '[machine]\npackages = ["libre"]\n')
    items, _ = pytester.inline_genitems(
        "release_tests/test_upgrade.py", "--release", "rc", "--target", "bookworm-amd64"
    )
    run = SimpleNamespace(units=(SIPSAK,), workspace=SimpleNamespace(root=root))
    back, upgrades = (
        f"release_tests/test_upgrade.py::test_{name}[bookworm-amd64]"
        for name in ("back", "upgrades")
    )
    found = make_schedule(items, cast(ReleaseRun, run), {back: 0.1, upgrades: 900.0}).items
    assert found[back].seconds == 60.0, "it took no time while users had nothing"
    assert found[upgrades].seconds == 900.0


@pytest.mark.usefixtures("root")
def test_needs_of_items(pytester: pytest.Pytester) -> None:
    items = schedule(pytester).items

    def item(name: str) -> ScheduledItem:
        (found,) = [each for nodeid, each in items.items() if nodeid.endswith(name)]
        return found

    build = item("::test_build[librem@bookworm-amd64]")
    assert build.needs == ("build:libre@bookworm-amd64",)
    assert set(build.provides) == {"gate:build", "build:librem@bookworm-amd64"}
    assert item("::test_build[libre@bookworm-arm64]").needs == ()

    lint = item("::test_lint[sipsak@bookworm-amd64]")
    assert lint.needs == ("build:sipsak@bookworm-amd64",)
    assert lint.provides == ("gate:repository",)

    for name in ("::test_installable[sipsak@bookworm-amd64]", "::test_contents[bookworm-arm64]",
                 "sipsak.md::howto[bookworm-amd64]", "::test_one[bookworm-arm64]"):  # fmt: skip
        assert set(item(name).needs) == EVERYTHING, name
    assert item("sipsak.md::howto[bookworm-amd64]").provides == ("gate:howto",)

    publish = item("::test_publish[rc]")
    assert publish.needs == ("gate:build", "gate:repository", "gate:howto")
    assert publish.provides == ()
