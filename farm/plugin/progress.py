"""Floor 6: showing what each worker is doing, and since when."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from farm.report.activity import Activity as Activity
from farm.report.activity import Doing, read_activities

_LOOK_SECONDS = 2.0
_QUIET_SECONDS = 15.0


class Progress:
    """Prints the activities now and then while a run is long, in the controller only."""

    def __init__(self, folder: Path, reporter: pytest.TerminalReporter) -> None:
        self._folder = folder
        self._reporter = reporter
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="farm-progress", daemon=True)

    def start(self) -> None:
        """Begin to print."""
        self._thread.start()

    def stop(self) -> None:
        """Print no more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _watch(self) -> None:
        printed = time.monotonic()
        while not self._stop.wait(_LOOK_SECONDS):
            if time.monotonic() - printed < _QUIET_SECONDS:
                continue
            doings = read_activities(self._folder, now=time.time())
            if doings:
                printed = time.monotonic()
                self._print(doings)

    def _print(self, doings: list[Doing]) -> None:
        waiting = [doing for doing in doings if doing.is_waiting]
        lines = [str(doing) for doing in doings if not doing.is_waiting]
        if waiting:
            names = " ".join(doing.worker for doing in waiting)
            lines.append(f"{names}: {waiting[0].what}" if not lines else f"{names}: waiting")
        if self._reporter._tw.width_of_current_line:  # dots, with which pytest goes on
            self._reporter.line("")
        for line in lines:
            self._reporter.write_line(f"farm | {line}", cyan=True)


def worker_name() -> str:
    """Give this process's name among the workers: ``gw0``, or ``main`` without xdist."""
    return os.environ.get("PYTEST_XDIST_WORKER", "main")
