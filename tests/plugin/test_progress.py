"""What is shown of a long run: who does what since when, not too often, below the dots."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from farm.plugin.progress import Progress, worker_name
from farm.report.activity import Activity

pytest_plugins = ["pytester"]


class Lines(io.StringIO):
    """What was printed, and a way to wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self._grown = threading.Condition()

    def write(self, text: str) -> int:
        with self._grown:
            self._grown.notify_all()
            return super().write(text)

    def wait_for(self, text: str) -> bool:
        with self._grown:
            return self._grown.wait_for(lambda: text in self.getvalue(), timeout=10)


@pytest.fixture
def printed() -> Lines:
    return Lines()


@pytest.fixture
def reporter(pytester: pytest.Pytester, printed: Lines) -> pytest.TerminalReporter:
    return pytest.TerminalReporter(pytester.parseconfig(), cast(Any, printed))


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look all the time."""
    monkeypatch.setattr("farm.plugin.progress._LOOK_SECONDS", 0.005)
    monkeypatch.setattr("farm.plugin.progress._QUIET_SECONDS", 0.0)


@pytest.fixture
def progress(tmp_path: Path, reporter: pytest.TerminalReporter) -> Iterator[Progress]:
    progress = Progress(tmp_path, reporter)
    yield progress
    progress.stop()


@pytest.mark.usefixtures("at_once")
def test_who_does_what_since_when(tmp_path: Path, printed: Lines, progress: Progress) -> None:
    activity = Activity(tmp_path, worker="gw0")
    activity.item = "test_build[libre@bookworm-amd64]"
    activity("compiling")
    progress.start()
    assert printed.wait_for("farm | gw0: test_build[libre@bookworm-amd64]: compiling (0s)\n")


@pytest.mark.usefixtures("at_once")
def test_nothing_is_printed_after_the_end(
    tmp_path: Path, printed: Lines, progress: Progress
) -> None:
    Activity(tmp_path, worker="gw0")("compiling")
    progress.start()
    assert printed.wait_for("compiling")
    progress.stop()
    before = printed.getvalue()
    Activity(tmp_path, worker="gw1")("compiling too")
    assert printed.getvalue() == before


@pytest.mark.usefixtures("at_once")
def test_a_line_of_dots_goes_on_below(
    tmp_path: Path, printed: Lines, progress: Progress, reporter: pytest.TerminalReporter
) -> None:
    reporter.write("....")
    Activity(tmp_path, worker="gw0")("compiling")
    progress.start()
    assert printed.wait_for("compiling")
    assert printed.getvalue().startswith("....\nfarm | gw0: ")


def test_a_short_run_is_not_disturbed(
    tmp_path: Path, printed: Lines, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = threading.Semaphore(0)

    def monotonic() -> float:
        looked.release()
        return 1.0

    monkeypatch.setattr("farm.plugin.progress._LOOK_SECONDS", 0.005)
    clock = SimpleNamespace(time=lambda: 0.0, monotonic=monotonic)
    monkeypatch.setattr("farm.plugin.progress.time", clock)
    Activity(tmp_path, worker="gw0")("compiling")
    progress.start()
    for _ in range(4):
        assert looked.acquire(timeout=10)
    assert printed.getvalue() == ""


@pytest.mark.usefixtures("at_once")
def test_those_who_wait_share_a_line(tmp_path: Path, printed: Lines, progress: Progress) -> None:
    workers = {name: Activity(tmp_path, worker=name) for name in ("gw0", "gw1", "gw2")}
    workers["gw1"]("waiting for libre, being built")
    workers["gw2"]("waiting for libre, being built")
    workers["gw0"]("compiling")
    progress.start()
    assert printed.wait_for("farm | gw0: compiling (0s)\nfarm | gw1 gw2: waiting\n")


@pytest.mark.usefixtures("at_once")
def test_when_all_wait_it_says_for_what(
    tmp_path: Path, printed: Lines, progress: Progress
) -> None:
    worker = Activity(tmp_path, worker="gw1")
    worker("waiting for another process, which reads the archive")
    progress.start()
    assert printed.wait_for("farm | gw1: waiting for another process, which reads the archive\n")


@pytest.mark.usefixtures("at_once")
def test_a_run_that_never_began_to_print_can_be_stopped(progress: Progress) -> None:
    progress.stop()


def test_the_name_of_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw3")
    assert worker_name() == "gw3"
    monkeypatch.delenv("PYTEST_XDIST_WORKER")
    assert worker_name() == "main"
