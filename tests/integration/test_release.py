"""Releases: what the main job does in a workspace, first, again, and in part."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.base.run import run
from farm.repo.signing import verify_clearsigned
from tests.integration.release_runs import RUN, Ran
from tests.integration.release_workspace import TARGET, DemoWorkspace

FirstRelease = tuple[DemoWorkspace, Ran]
ALL = dict.fromkeys(("demo", "demo-choir", "demo-clock", "demo-speaker", "demo-words"), "1.0")


def files_below(folder: Path) -> dict[str, int]:
    """Give every file of a tree, and when it was written."""
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_the_first_release_is_built_tried_and_published(first_release: FirstRelease) -> None:
    workspace, ran = first_release
    ran.expect()
    assert len(ran.having("passed")) == len(ran.items) == 39
    assert workspace.held() == ALL
    assert len(workspace.builds()) == len(ALL)
    assert f"rc now holds {workspace.current()}; it is its first." in ran.output
    assert workspace.leftovers() == []


def test_what_is_published_is_signed(first_release: FirstRelease) -> None:
    tree = first_release[0].tree()
    for release in tree.glob("dists/*/InRelease"):
        _, text = verify_clearsigned(release, tree / "demo-rc-keyring.gpg")
        assert b"Codename: bookworm" in text


def test_every_item_says_in_the_report_what_it_was_about(first_release: FirstRelease) -> None:
    workspace, ran = first_release
    keys = workspace.keys()
    for name, key in keys.items():
        for check in ("build", "lint", "installable", "dependencies", "versions", "howto"):
            told = ran.items[f"test_{check}[{name}@{TARGET}]"].properties
            assert told["package"] == name
            assert told["version"] == "1.0"
            assert told["target"] == TARGET
            assert told["digest"] == key
            assert Path(told["log"]).is_file()
    for name, item in ran.items.items():
        if "howto" in name:
            assert item.properties.keys() >= {"package", "version", "target", "digest", "log"}
    candidate = workspace.current().split("-")[1]
    for name in (f"test_signatures[{TARGET}]", f"test_contents[{TARGET}]"):
        assert ran.items[name].properties["target"] == TARGET
        assert ran.items[name].properties["digest"].startswith(candidate)


@pytest.mark.parametrize("workers", [2, 0])
def test_a_second_run_has_nothing_to_do_and_says_so(
    released_demo: DemoWorkspace, workers: int
) -> None:
    before = released_demo.current(), files_below(released_demo.tree())
    ran = released_demo.release(workers=workers).expect()
    assert "Nothing to do" in ran.output
    assert (released_demo.current(), files_below(released_demo.tree())) == before
    assert [name for name, item in ran.items.items() if not item.is_recorded] == [
        "test_publish[rc]"
    ]


def test_any_subset_pulls_what_it_needs_and_without_workers_the_same_is_released(
    first_release: FirstRelease, fresh_demo: DemoWorkspace
) -> None:
    ran = fresh_demo.release("howtos/demo-choir.md", workers=0).expect()
    assert list(ran.items) == [f"howto[{TARGET}]"]
    assert len(fresh_demo.builds()) == len(ALL)
    assert fresh_demo.current() == ""
    assert "rc was not published by this run." in ran.output
    fresh_demo.release(workers=0).expect()
    assert fresh_demo.held() == ALL
    assert fresh_demo.keys() == first_release[0].keys()
    # rc-DIGEST-KEY: the same digest, though in each workspace another key signs.
    assert fresh_demo.current().split("-")[1] == first_release[0].current().split("-")[1]


def test_publishing_alone_is_refused_until_the_gates_have_opened(
    released_demo: DemoWorkspace,
) -> None:
    before = released_demo.current()
    released_demo.set_version("demo-clock", "1.1")
    ran = released_demo.release("release_tests/test_publish.py").expect(1)
    assert ran.items["test_publish[rc]"].message.startswith(
        "rc may not be replaced, because the build and repository gates have not opened"
    )
    assert released_demo.current() == before
    # In the order in which they are given here, the last would come first.
    released_demo.release(
        "release_tests/test_publish.py", "release_tests/test_repository.py",
        "release_tests/test_build.py",
    ).expect()  # fmt: skip
    assert released_demo.held() == {**ALL, "demo-clock": "1.1"}


def test_without_a_release_the_items_explain_themselves(fresh_demo: DemoWorkspace) -> None:
    ran = fresh_demo.pytest("--junit-xml", "reports/junit.xml").expect()
    for name, reason in ran.having("skipped").items():
        assert "give --release REPOSITORY" in reason, name
    assert len(ran.having("skipped")) == len(ran.items) == 39
    assert not fresh_demo.layout.runs.exists()


def test_collecting_alone_does_nothing(fresh_demo: DemoWorkspace) -> None:
    ran = fresh_demo.release("--collect-only", "-q", workers=0).expect()
    assert f"release_tests/test_build.py::test_build[demo-words@{TARGET}]" in ran.output
    assert not fresh_demo.layout.runs.exists()


def test_a_developer_publishes_one_package_and_what_it_needs(released_demo: DemoWorkspace) -> None:
    ran = released_demo.release("--package", "demo-clock", to="dev").expect()
    assert released_demo.held("dev") == {"demo-clock": "1.0"}
    assert not [name for name in ran.items if "demo-choir" in name]
    # It needs demo-speaker to run, and that needs demo-words to build; the clock stays.
    released_demo.release("--package", "demo-choir", to="dev").expect()
    assert released_demo.held("dev") == {name: "1.0" for name in ALL if name != "demo"}
    assert released_demo.held("rc") == ALL


def test_a_private_repository_is_there_on_first_use(released_demo: DemoWorkspace) -> None:
    released_demo.release("--package", "demo-clock", to="private/alice").expect()
    assert released_demo.held("private/alice") == {"demo-clock": "1.0"}
    assert (released_demo.root / "reports/private/alice/junit.xml").is_file()


def test_a_whole_log_is_in_the_store(first_release: FirstRelease) -> None:
    _, ran = first_release
    log = Path(ran.items[f"test_build[demo-clock@{TARGET}]"].properties["log"])
    assert "dpkg-buildpackage: info: source package demo-clock" in log.read_text()


def test_pool_files_are_what_apt_would_take(first_release: FirstRelease) -> None:
    tree = first_release[0].tree()
    debs = sorted(tree.glob("pool/main/d/*/*.deb"))
    assert len(debs) == len(ALL)
    for deb in debs:
        name = run(["dpkg-deb", "--field", deb, "Package"], timeout=RUN).stdout.strip()
        assert deb.name == f"{name}_1.0_all.deb"
        assert deb.stat().st_nlink > 1  # linked to the store, not copied
