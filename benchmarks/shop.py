"""A copy of the sample's workspace, to be measured in: made ready, cooled, changed, released."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from benchmarks.ratio import Cost, costing
from farm.base.activity import Tell, tell_nobody
from farm.base.files import temporary
from farm.base.run import Result, run
from farm.config.workspace import load
from farm.place.namespace import janitor
from farm.release.workshop import Workshop

ROOT = Path(__file__).parents[1]
REPOSITORY = "rc"
_PARTS = ("farm.toml", "pyproject.toml", "conftest.py", "packages", "release_tests", "howtos")
_NOT_COPIED = shutil.ignore_patterns("__pycache__", ".pytest_cache")
_RELEASE = timedelta(hours=2)
# What a cold release finds made beforehand, as the plain loop does: the archive's indexes, the
# base chroot, source packages, and keys. No build, no layer, no downloaded package, no verdict.
_FIND_WARM = """
find . -mindepth 1 -maxdepth 1 ! -name store ! -name cache ! -name keys -exec rm -rf {} +
find store -mindepth 1 -maxdepth 1 ! -name chroots ! -name sources -exec rm -rf {} +
find cache -mindepth 1 -maxdepth 1 ! -name archives ! -name trees -exec rm -rf {} +
find cache/trees -mindepth 1 -maxdepth 1 ! -name 'base-*' -exec rm -rf {} +
"""


class Shop:
    """A workspace of its own; see the module.

    :param root: the copy's folder, whose parent holds whatever else is made.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def workshop(self, *, tell: Tell = tell_nobody) -> Workshop:
        """Give the workshop of the workspace as its files are now."""
        return Workshop(load(self.root / "farm.toml"), tell=tell, run="benchmark")

    def prepare(self) -> None:
        """Have ready what a cold release may find: see :meth:`cool`."""
        workshop = self.workshop()
        for job in workshop.plan().jobs.values():
            workshop.ground(job.target)
        workshop.key(REPOSITORY)

    def cool(self) -> None:
        """Forget all releases, builds, layers and downloads."""
        state = load(self.root / "farm.toml").state_dir
        janitor(["sh", "-ec", _FIND_WARM], cwd=state)

    def release(self, *words: str, workers: int = 2) -> tuple[Cost, Result]:
        """Run ``pytest --release rc`` and measure it.

        :raises CommandError: when it is not green.
        """
        argv = [sys.executable, "-m", "pytest", "-n", str(workers), "--release", REPOSITORY]
        env = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        with costing() as cost:
            result = run([*argv, *words], timeout=_RELEASE, cwd=self.root, env=env)
        return cost, result

    def ensure_released(self) -> None:
        """Have a release of everything as it is now; a second one learns from the first."""
        self.release()

    def change(self, package: str, *, version: str) -> None:
        """Give one of the sample's own packages a new version and another description."""
        folder = self.root / "packages" / package / "debian"
        log, control = folder / "changelog", folder / "control"
        before = log.read_text()
        entry = re.sub(r"\(\S+\)", f"({version})", before.split("\n\n")[0], count=1)
        date = format_datetime(datetime.now(UTC))
        trailer = f" -- Benchmark <benchmark@farm.example>  {date}"
        log.write_text(f"{entry}\n\n  * Changed by a benchmark.\n\n{trailer}\n\n{before}")
        described = re.sub(r"(?m)^(Description: .*)$", rf"\1, {version}", control.read_text())
        control.write_text(described)

    def builds(self) -> set[str]:
        """Give the keys of all builds that the workspace has."""
        return {folder.name for folder in self.workshop().layout.builds.iterdir()}


@contextmanager
def make_shop() -> Iterator[Shop]:
    """Give a copy of the sample's workspace, beside whose state it lies, until the block ends."""
    with temporary(ROOT / ".farm" / "benchmarks", prefix="shop-") as folder:
        root = folder / "workspace"
        root.mkdir()
        try:
            for name in _PARTS:
                _copy(ROOT / name, root / name)
            _without_machines(root / "farm.toml")
            shop = Shop(root)
            shop.prepare()
            yield shop
        finally:
            janitor(["rm", "-rf", "--", root.name], cwd=folder)


def _without_machines(path: Path) -> None:
    """Leave out the gates that nothing of what releases are measured against has."""
    path.write_text(
        path.read_text().replace(', "install", "upgrade"', "").replace(', "lifecycle"', "")
    )


def _copy(source: Path, to: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, to, ignore=_NOT_COPIED, symlinks=True)
    else:
        shutil.copy2(source, to)
