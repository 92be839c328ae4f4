"""Whole release runs, with builds that take no time: what is tried, recorded and published."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.plugin.release_sample import HOWTO, ROOT, make_workspace, said, write, write_package

pytest_plugins = ["pytester"]

Release = Callable[..., pytest.RunResult]
ITEMS = 35


@pytest.fixture
def root(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace, in which pytest is run."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    make_workspace(pytester.path)
    return pytester.path


@pytest.fixture
def release(pytester: pytest.Pytester, root: Path) -> Release:
    """Release to rc, in a process of its own when there are workers."""

    def release(*arguments: str, to: str = "rc") -> pytest.RunResult:
        (root / "did").unlink(missing_ok=True)
        words = ("-p", "tests.plugin.fake_workshop", "--release", to, *arguments)
        if "-n2" in arguments:
            return pytester.runpytest_subprocess(*words, timeout=60)
        return pytester.runpytest(*words)

    return release


def did(root: Path, what: str) -> list[str]:
    """What was done of one kind, in order."""
    lines = (root / "did").read_text().splitlines()
    return [line.removeprefix(f"{what} ") for line in lines if line.startswith(f"{what} ")]


def page(root: Path) -> str:
    return (root / "reports/rc/index.html").read_text()


def published(root: Path, repository: str = "rc") -> str:
    path = root / "published" / repository
    return path.read_text() if path.exists() else ""


WITH_AND_WITHOUT_WORKERS = pytest.mark.parametrize(
    "arguments", [[], ["-n2"]], ids=["plain", "xdist"]
)


# All is well.


@WITH_AND_WITHOUT_WORKERS
def test_everything_is_built_tried_and_published(
    root: Path, release: Release, arguments: list[str]
) -> None:
    result = release(*arguments)
    result.assert_outcomes(passed=ITEMS)
    assert result.ret == 0
    built = did(root, "build")
    assert len(built) == len(set(built)) == 4
    assert built.index("libre@bookworm-amd64") < built.index("librem@bookworm-amd64")
    ends = did(root, "end")
    assert ends[-1] == "release_tests/test_publish.py::test_publish[rc]"
    assert sorted(did(root, "try")) == [
        "libre@bookworm-amd64", "libre@bookworm-amd64", "libre@bookworm-arm64",
        "libre@bookworm-arm64", "librem@bookworm-amd64", "sipsak@bookworm-amd64",
    ]  # fmt: skip
    assert published(root)
    assert "farm: sample: all packages for rc" in said(result)
    assert f"rc is at {root}/.farm/repositories/rc" in said(result)


@WITH_AND_WITHOUT_WORKERS
def test_a_page_tells_of_the_run(root: Path, release: Release, arguments: list[str]) -> None:
    result = release(*arguments)
    page = root / "reports/rc/index.html"
    assert f"Report: {page}" in said(result)
    html = page.read_text()
    assert '<header class="good">' in html
    assert html.count(">5 passed</span>") == 4  # the repository gate of each package
    release(*arguments)
    assert ">passed before</span>" in page.read_text()


@WITH_AND_WITHOUT_WORKERS
def test_what_has_passed_on_the_same_digests_is_not_tried_again(
    root: Path, release: Release, arguments: list[str]
) -> None:
    release()
    before = published(root)
    result = release(*arguments)
    assert result.ret == 0
    assert result.parseoutcomes() == {"recorded": ITEMS - 1, "passed": 1}
    assert did(root, "build") == did(root, "try") == []
    assert published(root) == before
    text = said(result)
    assert f"{ITEMS - 1} of {ITEMS} checks passed before on identical digests" in text
    assert "Nothing to do: nothing has changed since." in text


def test_all_is_tried_again_when_asked_for(root: Path, release: Release) -> None:
    release()
    release("--fresh").assert_outcomes(passed=ITEMS)
    assert did(root, "build") == [], "builds are what they were"
    assert len(did(root, "try")) == 6


def test_a_changed_howto_is_tried_again_and_nothing_else(root: Path, release: Release) -> None:
    release()
    write(root / "howtos/sipsak.md", "# sipsak\n\n```console\n$ echo again\nagain\n```\n")
    result = release()
    assert did(root, "try") == ["sipsak@bookworm-amd64"]
    assert result.parseoutcomes() == {"recorded": ITEMS - 2, "passed": 2}


def test_a_changed_package_is_built_again_with_those_that_are_built_with_it(
    root: Path, release: Release
) -> None:
    release()
    before = published(root)
    write_package(root, "libre", version="1.1")
    release()
    assert sorted(did(root, "build")) == [
        "libre@bookworm-amd64", "libre@bookworm-arm64", "librem@bookworm-amd64",
    ]  # fmt: skip
    assert len(did(root, "try")) == 6, "the candidate is another one"
    assert published(root) not in ("", before)


def test_a_subset_pulls_in_what_it_needs(root: Path, release: Release) -> None:
    name = "release_tests/test_build.py::test_build[librem@bookworm-amd64]"
    release(name).assert_outcomes(passed=1)
    assert did(root, "build") == ["libre@bookworm-amd64", "librem@bookworm-amd64"]
    assert published(root) == ""


def test_a_single_package_is_released_with_what_it_is_built_with(
    root: Path, release: Release
) -> None:
    result = release("--package", "librem", to="private/alice")
    assert result.ret == 0
    assert sorted(did(root, "build")) == ["libre@bookworm-amd64", "librem@bookworm-amd64"]
    assert published(root, "private/alice")


def test_more_packages_for_a_howto(root: Path, release: Release) -> None:
    mark = 'import pytest\npytestmark = pytest.mark.farm_install("netcat", "curl")\n'
    write(root / "howtos/libre/test_libre.py", mark + HOWTO)
    release("howtos/libre", "--target", "bookworm-arm64").assert_outcomes(passed=2)
    assert did(root, "try") == ["libre@bookworm-arm64 curl netcat"] * 2


def test_reports_say_what_was_looked_at(root: Path, release: Release) -> None:
    release()
    suites = ElementTree.parse(root / "reports/rc/junit.xml")  # noqa: S314 - our own
    (case,) = [case for case in suites.iter("testcase")
               if case.get("name") == "test_build[librem@bookworm-amd64]"]  # fmt: skip
    properties = {each.get("name"): each.get("value") for each in case.iter("property")}
    assert properties["package"] == "librem"
    assert properties["version"] == "1.0"
    assert properties["target"] == "bookworm-amd64"
    assert len(properties["digest"] or "") == 64
    assert Path(properties["log"] or "").read_text() == "compiling\n"


def test_reports_go_where_the_user_wants_them(root: Path, release: Release) -> None:
    release("--junitxml=mine.xml")
    assert (root / "mine.xml").exists()
    assert not (root / "reports").exists()


# Something is wrong.


@WITH_AND_WITHOUT_WORKERS
def test_a_package_that_does_not_build_blocks_those_that_need_it_and_nobody_else(
    root: Path, release: Release, arguments: list[str]
) -> None:
    write(root / "fail/libre", "make says no")
    result = release("-rs", *arguments)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = said(result)
    outcomes = result.parseoutcomes()
    assert outcomes["failed"] == 2, "both builds of libre, and nothing else"
    assert "libre@bookworm-amd64 does not build: make says no." in text
    assert "Traceback" not in text
    assert "BuildFailed" not in text
    assert "blocked by libre@bookworm-amd64" in text
    assert did(root, "try") == ["sipsak@bookworm-amd64"]
    assert published(root) == ""
    assert "rc was not published by this run." in text
    assert not any("librem" in name for name in did(root, "build"))


def test_the_last_words_count_what_is_blocked(root: Path, release: Release) -> None:
    write(root / "fail/librem", "make says no")
    text = said(release())
    lines = [
        line for line in text.splitlines() if line.endswith(" blocked by librem@bookworm-amd64")
    ]
    assert len(lines) == 1
    count = int(lines[0].split()[0])
    assert count > 5
    assert lines[0] == f"{count} checks are blocked by librem@bookworm-amd64"


def test_a_failed_build_is_tried_once_in_a_run_and_again_in_the_next(
    root: Path, release: Release
) -> None:
    write(root / "fail/sipsak", "make says no")
    release()
    (root / "fail/sipsak").unlink()
    result = release()
    assert result.ret == 0
    assert did(root, "build") == ["sipsak@bookworm-amd64"]
    assert published(root)


def test_a_broken_farm_says_nothing_about_the_package(root: Path, release: Release) -> None:
    write(root / "fault/sipsak", "yes")
    result = release()
    assert "The farm is broken." in said(result)
    assert "Traceback" not in said(result)
    assert published(root) == ""


def test_a_fault_of_the_farm_is_worth_one_more_try_and_no_third(
    root: Path, release: Release
) -> None:
    write(root / "fault/sipsak", "always")
    result = release()
    assert result.ret == 1
    assert result.parseoutcomes()["failed"] == 1
    assert "tried twice; the first time: The farm is broken." in page(root)
    assert published(root) == ""


def test_what_works_at_the_second_try_has_passed_and_that_is_told(
    root: Path, release: Release
) -> None:
    write(root / "fault/sipsak", "once")
    result = release()
    assert result.ret == 0
    assert "failed" not in result.parseoutcomes()
    assert did(root, "build").count("sipsak@bookworm-amd64") == 2
    assert published(root)
    assert "tried twice; the first time: The farm is broken." in page(root)


TOOL = """
import pytest
from farm.base.errors import FarmFault

pytestmark = pytest.mark.farm_gate("repository")
tries = []

@pytest.fixture(scope="session")
def tool():
    tries.append("one")
    if len(tries) == 1:
        raise FarmFault("The tool is away.")

def test_tool(released_target, tool):
    assert len(tries) == 2
"""


def test_at_the_second_try_fixtures_of_the_session_are_made_anew(
    root: Path, release: Release
) -> None:
    write(root / "checks/test_tool.py", TOOL)
    release("checks").assert_outcomes(passed=2)
    assert "tried twice; the first time: The tool is away." in page(root)


def test_a_traceback_is_shown_to_whoever_wants_it(root: Path, release: Release) -> None:
    write(root / "fail/sipsak", "make says no")
    assert "fake_workshop.py" in said(release("--full-trace"))


@pytest.mark.parametrize(
    ("test", "outcome"),
    [
        ("def test_two(host): assert False, 'oh no'", "failed"),
        ("@pytest.mark.skip\ndef test_two(host): pass", "skipped"),
        ("@pytest.mark.xfail\ndef test_two(host): assert False", "xfailed"),
        ("@pytest.mark.xfail(strict=True)\ndef test_two(host): pass", "failed"),
        ("def test_two(host): pytest.skip('no time')", "skipped"),
        ("@pytest.fixture\ndef phone(host):\n    yield\n    assert False, 'it rings still'\n"
         "def test_two(phone): pass", "errors"),
        ("@pytest.fixture\ndef phone(host):\n    assert False, 'no phone'\n"
         "def test_two(phone): pass", "errors"),
    ],
    ids=["failed", "skip mark", "xfail", "strict xpass", "skip", "teardown", "setup"],
)  # fmt: skip
def test_what_has_not_passed_from_setup_to_teardown_is_not_published(
    root: Path, release: Release, test: str, outcome: str
) -> None:
    write(root / "howtos/sipsak/test_sipsak.py", f"import pytest\n{test}\n")
    result = release()
    publishing = 1 if outcome == "failed" else 0
    assert result.parseoutcomes().get(outcome) == 1 + publishing
    assert published(root) == ""
    text = said(result)
    assert "rc may not be replaced, because the howto gate has not opened" in text
    write(root / "howtos/sipsak/test_sipsak.py", "def test_two(host): pass\n")
    assert release().ret == 0


def test_a_chroot_that_cannot_be_removed_is_no_pass(root: Path, release: Release) -> None:
    write(root / "untidy/sipsak", "yes")
    result = release()
    assert "The chroot cannot be removed." in said(result)
    assert published(root) == ""


def test_a_howto_whose_package_does_not_install_has_failed(root: Path, release: Release) -> None:
    write(root / "uninstallable/libre", "yes")
    result = release()
    assert "apt does not install libre@bookworm-amd64." in said(result)
    assert published(root) == ""


def test_a_package_without_a_howto_is_not_published(root: Path, release: Release) -> None:
    (root / "howtos/sipsak.md").unlink()
    result = release()
    assert "sipsak has no HOWTO" in said(result)
    assert published(root) == ""


# Absence of failure proves nothing.


def test_a_deselected_item_is_not_forgotten(root: Path, release: Release) -> None:
    result = release("-k", "not test_two")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "test_two" in said(result)
    assert published(root) == ""


def test_an_item_that_was_named_is_not_taken_for_the_whole_file(
    root: Path, release: Release
) -> None:
    release("howtos/libre/test_libre.py::test_one")
    release("release_tests", "howtos/librem.md", "howtos/sipsak.md")
    result = release("release_tests/test_publish.py")
    assert "howtos/libre/test_libre.py has never been collected completely" in said(result)
    assert published(root) == ""


def test_what_failed_last_is_not_taken_for_the_whole_file(root: Path, release: Release) -> None:
    write(root / "howtos/libre/test_libre.py", HOWTO.replace("rc == 0", "rc == 1"))
    release()
    write(root / "howtos/libre/test_libre.py", HOWTO)
    release("--lf", "howtos")
    release("release_tests")
    result = release("release_tests/test_publish.py")
    assert "howtos/libre/test_libre.py has never been collected completely" in said(result)
    assert published(root) == ""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("howtos/sipsak/test_sipsak.py", "import nothing_that_exists"),
        ("howtos/sipsak/test_sipsak.py", "def test_plain(): pass"),
        ("howtos/sipsak/check_test.py", "def test_it(host): pass"),
        ("release_tests/test_more.py", "def test_more(:"),
        ("howtos/sipsak.md", "# sipsak\n\n```console\n$ echo sipsak\n"),
    ],
    ids=["import", "no host", "name of the file", "syntax", "prose"],
)
def test_nothing_is_released_when_a_part_cannot_be_collected(
    root: Path, release: Release, name: str, text: str
) -> None:
    if name.endswith("check_test.py"):
        write(root / "pytest.ini", (root / "pytest.ini").read_text() + "python_files = *.py\n")
    write(root / name, text)
    result = release()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert name in said(result)
    assert not (root / "did").exists(), "nothing is tried"


def test_workers_do_not_go_on_with_the_rest(root: Path, release: Release) -> None:
    write(root / "howtos/sipsak/test_sipsak.py", "def test_plain(): pass")
    result = release("-n2")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "asks for neither 'host' nor 'package'" in said(result)
    assert "INTERNALERROR" not in said(result)
    assert not (root / "did").exists(), "nothing is tried"


def test_two_checks_with_one_name_are_refused(root: Path, release: Release) -> None:
    write(
        root / "release_tests/test_more.py",
        "import pytest\n\n@pytest.mark.farm_gate('build')\ndef test_build(job): pass\n",
    )
    text = said(release())
    assert "are one check of the build gate: give one of them another name." in text
    assert published(root) == ""


def test_a_check_of_ones_own_is_tried_for_every_package(root: Path, release: Release) -> None:
    write(
        root / "release_tests/test_more.py",
        "import pytest\n\n@pytest.mark.farm_gate('repository')\n"
        "def test_size(released): assert released.build.binaries[0].file.size < 1000\n",
    )
    release().assert_outcomes(passed=ITEMS + 4)


# Fixtures wider than an item, among items that are not tried again.


def test_what_was_tried_ends_although_the_next_items_are_recorded(
    root: Path, release: Release
) -> None:
    release()
    write(root / "howtos/libre/test_libre.py", HOWTO.replace("def test_one", "def test_zero"))
    result = release()
    assert result.ret == 0, "the folder of HOWTOs is left before the repository is published"
    assert set(did(root, "try")) == {"libre@bookworm-amd64", "libre@bookworm-arm64"}
    assert result.parseoutcomes() == {"passed": 5, "recorded": ITEMS - 5}


def test_trouble_at_the_end_of_such_a_fixture_is_told(root: Path, release: Release) -> None:
    release()
    fixture = """
import pytest

@pytest.fixture(scope="module", autouse=True)
def phone():
    yield
    assert False, "it rings still"
"""
    write(root / "howtos/libre/conftest.py", fixture)
    result = release()
    assert "it rings still" in said(result)
    assert "INTERNALERROR" not in said(result)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


# Promotion.


@WITH_AND_WITHOUT_WORKERS
def test_a_green_run_promotes(root: Path, release: Release, arguments: list[str]) -> None:
    result = release("--promote", "production", *arguments)
    assert result.ret == 0
    assert published(root, "production") == published(root) != ""
    assert "production now holds" in said(result)


def test_a_run_that_is_not_green_does_not_promote(root: Path, release: Release) -> None:
    release()
    write(root / "fail/sipsak", "make says no")
    write_package(root, "sipsak", version="1.1")
    result = release("--promote", "production")
    assert published(root, "production") == ""
    assert "production stays as it is: this run was not green." in said(result)


def test_a_run_that_has_published_nothing_does_not_promote_what_was_there(
    root: Path, release: Release
) -> None:
    release()
    result = release("release_tests/test_build.py", "--promote", "production")
    assert published(root, "production") == ""
    assert "production stays as it is: this run has not published rc." in said(result)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_collecting_does_not_promote(root: Path, release: Release) -> None:
    release()
    result = release("--collect-only", "--promote", "production")
    assert result.ret == 0
    assert published(root, "production") == ""
    assert "was not published" not in said(result)
