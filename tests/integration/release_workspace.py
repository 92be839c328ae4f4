"""A workspace with five tiny packages, and real runs of pytest in it, for tests of releases.

``demo-words`` is needed by ``demo-speaker`` to build, ``demo-choir`` needs ``demo-speaker`` to
run, the metapackage ``demo`` asks for both in exact versions, and ``demo-clock`` is a leaf.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from farm.base.files import read_json
from farm.model.layout import Layout
from farm.place.namespace import remove_tree
from tests.integration.demo_packages import (
    CHANGELOG,
    CONTROL,
    DEPENDS,
    HOWTOS,
    MAKE,
    NEEDS,
    PACKAGES,
    PYTEST_INI,
    RULES,
    TOML,
)
from tests.integration.prepared_state import PREPARED, link_prepared
from tests.integration.release_runs import Item as Item
from tests.integration.release_runs import Ran, Running, farm_in, processes_in, pytest_in
from tests.integration.release_runs import read_junit as read_junit

ROOT = Path(__file__).parents[2]
TARGET = "bookworm-amd64"
NOTHING: Mapping[str, str] = {}


@dataclass
class DemoWorkspace:
    """The workspace; edit its files as a packager would, and run it."""

    root: Path

    @property
    def layout(self) -> Layout:
        """The state folder."""
        return Layout(self.root / ".farm")

    # What a packager edits.

    def write(self) -> DemoWorkspace:
        """Write all files."""
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / "farm.toml").write_text(TOML)
        for name in PACKAGES:
            self.write_package(name)
        for path, text in HOWTOS.items():
            self.put(f"howtos/{path}", text)
        shutil.copytree(ROOT / "release_tests", self.root / "release_tests",
                        ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
        shutil.copy(ROOT / "conftest.py", self.root)
        self.put("pytest.ini", PYTEST_INI)
        return self

    def put(self, path: str, text: str) -> None:
        """Write a file."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text that is in a file."""
        text = (self.root / path).read_text()
        assert old in text, f"{path} has no {old!r}"
        self.put(path, text.replace(old, new))

    def write_package(self, name: str, version: str = "1.0", **versions: str) -> None:
        """Write the packaging of one of the packages, with the versions that it asks for."""
        debian = f"packages/{name}/debian"
        depends = [f"{each} (= {versions.get(each, '1.0')})" for each in DEPENDS.get(name, ())]
        needs = ["debhelper-compat (= 13)", *NEEDS.get(name, ())]
        words = {"name": name, "version": version, "needs": ", ".join(needs)}
        self.put(f"{debian}/changelog", CHANGELOG.format(**words))
        self.put(f"{debian}/control", CONTROL.format(**words, depends=", ".join(depends)))
        self.put(f"{debian}/rules", RULES.format(**words))
        (self.root / debian / "rules").chmod(0o755)
        self.put(f"{debian}/make.sh", MAKE[name])
        self.put(f"{debian}/source/format", "3.0 (native)\n")

    def set_version(self, name: str, version: str) -> None:
        """Give a package another version."""
        text = CHANGELOG.format(name=name, version=version)
        self.put(f"packages/{name}/debian/changelog", text)

    def break_build(self, name: str) -> None:
        """Make a package fail to build."""
        make = f"packages/{name}/debian/make.sh"
        self.put(make, "echo 'words.c:1: error: no such word' >&2\nexit 3\n")

    def slow_build(self, name: str, seconds: int) -> None:
        """Make a package take its time to build."""
        self.put(f"packages/{name}/debian/make.sh", f"sleep {seconds}\n{MAKE[name]}")

    def mend_build(self, name: str) -> None:
        """Take back what :meth:`break_build` did."""
        self.put(f"packages/{name}/debian/make.sh", MAKE[name])

    # Running.

    def pytest(self, *words: str, workers: int = 2, env: Mapping[str, str] = NOTHING) -> Ran:
        """Run pytest and read its report."""
        shutil.rmtree(self.root / "reports", ignore_errors=True)
        return pytest_in(self.root, words, workers=workers, env=env)

    def release(
        self, *words: str, to: str = "rc", workers: int = 2, env: Mapping[str, str] = NOTHING
    ) -> Ran:
        """Run the main job."""
        return self.pytest("--release", to, *words, workers=workers, env=env)

    def start(self, *words: str, to: str = "rc", workers: int = 2) -> Running:
        """Start the main job in the background."""
        return Running(self.root, ("--release", to, *words), workers=workers)

    def farm(self, *words: str) -> Ran:
        """Run the command line."""
        return farm_in(self.root, words)

    # What became of it.

    def current(self, repository: str = "rc") -> str:
        """Give the id of the snapshot that a repository is, or nothing."""
        link = self.layout.repositories / repository
        return link.readlink().parent.name if link.is_symlink() else ""

    def tree(self, repository: str = "rc") -> Path:
        """Give what users of a repository see."""
        return (self.layout.repositories / repository).resolve()

    def held(self, repository: str = "rc") -> dict[str, str]:
        """Give the versions of the binary packages that a repository holds."""
        record = read_json(self.tree(repository).parent / "snapshot.json")
        entries = [each for each in record["entries"] if each["architecture"] != "source"]
        return {each["name"]: each["version"] for each in entries}

    def builds(self) -> set[str]:
        """Give the keys of all builds in the store."""
        return {path.name for path in self.layout.builds.iterdir()}

    def key(self, name: str) -> str:
        """Give the key of the last build of a package."""
        return str(read_json(self.layout.last_builds / f"{name}@{TARGET}.json")["key"])

    def keys(self) -> dict[str, str]:
        """Give the keys of the last builds of all packages."""
        return {name: self.key(name) for name in PACKAGES}

    def environments(self) -> list[str]:
        """Give the names of the environments that are there."""
        return sorted(each.name for each in self.layout.environments.iterdir() if each.is_dir())

    def leftovers(self) -> list[str]:
        """Give the names of temporary folders and environments that lie about."""
        folders = (self.layout.temporary, self.layout.environments)
        return sorted(path.name for each in folders if each.is_dir() for path in each.iterdir())

    def processes(self) -> dict[int, str]:
        """Give the processes that work in this workspace, by id, wherever they come from."""
        return dict(processes_in(self.root))

    def copy_to(self, root: Path) -> DemoWorkspace:
        """Copy it with all that it has released."""
        state = self.layout.root
        left_out = [state / name for name in (*PREPARED, "environments", "locks", "runs", "tmp")]
        left_out.append(self.layout.cache / "views")

        def ignore(folder: str, names: list[str]) -> list[str]:
            return [name for name in names if Path(folder, name) in left_out]

        shutil.copytree(self.root, root, symlinks=True, ignore=ignore)
        link_prepared(state, root / ".farm")
        return DemoWorkspace(root)

    def remove(self) -> None:
        """Remove it all; parts of it belong to subordinate users."""
        remove_tree(self.root)
