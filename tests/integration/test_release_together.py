"""Two releases at once in one workspace."""

from __future__ import annotations

import threading

from tests.integration.release_runs import Running, activities
from tests.integration.release_workspace import DemoWorkspace


class Compilations:
    """Notes each compilation that a process of the workspace reports while it goes on."""

    def __init__(self, workspace: DemoWorkspace) -> None:
        self._workspace = workspace
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.seen: set[tuple[str, float]] = set()

    def __enter__(self) -> Compilations:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            for run in self._workspace.layout.runs.glob("*"):
                self.seen |= {(each["item"], each["since"]) for each in activities(run)
                              if each["what"] == "compiling"}  # fmt: skip


def test_two_runs_make_one_release(fresh_demo: DemoWorkspace) -> None:
    with Compilations(fresh_demo) as compilations:
        runs = [fresh_demo.start(), fresh_demo.start()]
        ended = [run.wait() for run in runs]
    output = "\n".join(run.output for run in runs)
    assert ended == [0, 0], output
    assert set(fresh_demo.held().values()) == {"1.0"}
    assert len(list(fresh_demo.layout.snapshots.glob("rc-*"))) == 1
    assert output.count("it is its first.") == 1
    assert output.count(f"rc already holds this snapshot, {fresh_demo.current()}.") == 1
    # Each package was built by one of them, and the other one waited for it.
    assert len(compilations.seen) == len(fresh_demo.builds()) == 5
    assert fresh_demo.leftovers() == []


def test_releases_to_several_repositories_at_once(released_demo: DemoWorkspace) -> None:
    released_demo.set_version("demo-clock", "1.1")
    names = ("rc", "dev", "private/alice", "private/bob")
    words = ("release_tests", "--package", "demo-clock")
    runs: list[Running] = [
        released_demo.start(*words, to=name, workers=0) for name in names if name != "dev"
    ]
    runs.append(released_demo.start("--package", "demo-clock", to="dev", workers=0))
    ended = [run.wait() for run in runs]
    assert ended == [0] * len(names), "\n".join(run.output for run in runs)
    for name in names:
        assert released_demo.held(name)["demo-clock"] == "1.1"
