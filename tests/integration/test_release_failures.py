"""Releases in which a package does not build: what goes on, what waits, how it is mended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.release_runs import Ran
from tests.integration.release_workspace import TARGET, DemoWorkspace

WORDS = f"demo-words@{TARGET}"


def break_words(workspace: DemoWorkspace) -> DemoWorkspace:
    """Make a new version of demo-words that does not build, and one of demo-clock that does."""
    workspace.set_version("demo-words", "1.1")
    workspace.break_build("demo-words")
    workspace.set_version("demo-clock", "1.1")
    return workspace


@pytest.fixture
def broken(released_demo: DemoWorkspace) -> DemoWorkspace:
    """A workspace in which a package does not build."""
    return break_words(released_demo)


@pytest.fixture(scope="module")
def failed(
    tmp_path_factory: pytest.TempPathFactory, first_release: tuple[DemoWorkspace, Ran]
) -> Iterator[tuple[DemoWorkspace, Ran]]:
    """A workspace in which a package does not build, and how its release ended."""
    workspace = break_words(first_release[0].copy_to(tmp_path_factory.mktemp("failed") / "demo"))
    yield workspace, workspace.release()
    workspace.remove()


def outcomes(ran: Ran, package: str) -> set[str]:
    """Give how the items about a package ended."""
    about = [item for item in ran.items.values() if item.properties.get("package") == package]
    return {f"{item.outcome} {item.message}".strip() for item in about}


def test_a_broken_package_blocks_those_that_need_it_and_nothing_else(
    failed: tuple[DemoWorkspace, Ran],
) -> None:
    ran = failed[1].expect(1)
    assert list(ran.having("failed")) == [f"test_build[{WORDS}]"]
    blocked = f"skipped blocked by {WORDS}"
    # demo-speaker needs it to build; what needs demo-speaker only to run is built and tried as
    # far as that goes without it.
    assert outcomes(ran, "demo-speaker") == {blocked, "passed"}
    assert ran.items[f"test_build[demo-speaker@{TARGET}]"].message == f"blocked by {WORDS}"
    for name in ("demo-choir", "demo"):
        assert ran.items[f"test_build[{name}@{TARGET}]"].outcome == "passed"
        assert ran.items[f"test_installable[{name}@{TARGET}]"].message == f"blocked by {WORDS}"
    assert outcomes(ran, "demo-clock") == {"passed"}
    assert ran.items["test_publish[rc]"].message == f"blocked by {WORDS}"
    assert f"checks are blocked by {WORDS}" in ran.output
    assert set(failed[0].held().values()) == {"1.0"}


def test_the_report_shows_what_went_wrong_and_where_to_look(
    failed: tuple[DemoWorkspace, Ran],
) -> None:
    ran = failed[1]
    assert f"{WORDS} does not build: dpkg-buildpackage -us -uc -b ended with" in ran.output
    assert "words.c:1: error: no such word" in ran.output
    assert f"Look inside with: farm shell {WORDS}" in ran.output
    log = Path(ran.items[f"test_build[{WORDS}]"].properties["log"])
    assert f"whole log: {log}" in ran.output
    assert "words.c:1: error: no such word" in log.read_text()


def test_what_failed_is_tried_once_in_a_run(failed: tuple[DemoWorkspace, Ran]) -> None:
    # Many items need it, in two workers; each failed try would have kept an environment.
    (kept,) = failed[0].environments()
    assert kept.startswith("demo-words-")


def test_it_is_repaired_in_its_source_and_released_by_the_same_command(
    broken: DemoWorkspace,
) -> None:
    for times in (1, 2):
        broken.release("release_tests").expect(1)
        assert len(broken.environments()) == times, "a new run tries it again"
    kept = broken.environments()
    broken.mend_build("demo-words")
    ran = broken.release().expect()
    assert broken.held() == {
        "demo": "1.0", "demo-choir": "1.0", "demo-clock": "1.1", "demo-speaker": "1.0",
        "demo-words": "1.1",
    }  # fmt: skip
    # What had nothing to do with it was not built again.
    assert ran.items[f"test_build[demo-clock@{TARGET}]"].is_recorded
    # Whoever wants to look into the failed builds may do so, until they are released.
    assert broken.environments() == kept
    broken.farm("gc", "--failed").expect()
    assert broken.leftovers() == []


def test_a_howto_that_fails_shows_the_command_and_the_difference(
    released_demo: DemoWorkspace,
) -> None:
    released_demo.edit("howtos/demo-choir.md", "Good day.\nGood day.", "Good day.\nGood night.")
    ran = released_demo.release().expect(1)
    (name,) = ran.having("failed")
    assert "howto" in name
    assert "howtos/demo-choir.md:6: The command did not print what is expected." in ran.output
    assert "    $ demo-choir\n" in ran.output
    assert "-Good night." in ran.output
    assert "+Good day." in ran.output
    # rc does not ask for the gate of the HOWTOs, and holds what it held.
    assert "Nothing to do" in ran.output
