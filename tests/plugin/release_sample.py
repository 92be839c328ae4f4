"""A workspace with three small packages, in which pytest can be run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FARM_TOML = """
[workspace]
name = "sample"

[target.bookworm-amd64]
[target.bookworm-arm64]

[repository.rc]
gates = ["build", "repository", "howto"]

[repository.production]
gates = ["build", "repository", "howto"]
from = "rc"

[package.libre]
folder = "packages/libre"

[package.librem]
folder = "packages/librem"
targets = ["bookworm-amd64"]

[package.sipsak]
folder = "packages/sipsak"
targets = ["bookworm-amd64"]
"""

PYTEST_INI = """
[pytest]
testpaths = release_tests howtos
addopts = --import-mode=importlib
"""

CONTROL = """\
Source: {name}
Section: misc
Priority: optional
Maintainer: Alice <alice@sample.example>
Build-Depends: debhelper-compat (= 13){depends}
Standards-Version: 4.6.2

Package: {name}
Architecture: any
Description: sample
 A sample.
"""

CHANGELOG = """\
{name} ({version}) bookworm; urgency=medium

  * A sample.

 -- Alice <alice@sample.example>  Wed, 01 May 2024 12:00:00 +0000
"""

HOWTO = """
def test_one(host, package):
    assert package.name == "libre"

def test_two(host):
    assert host.run("true").rc == 0
"""


def make_workspace(root: Path) -> None:
    """Write a workspace: librem is built with libre, and each package has a HOWTO."""
    (root / "farm.toml").write_text(FARM_TOML)
    (root / "pytest.ini").write_text(PYTEST_INI)
    shutil.copytree(ROOT / "release_tests", root / "release_tests",
                    ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
    write_package(root, "libre")
    write_package(root, "librem", depends="libre")
    write_package(root, "sipsak")
    write(root / "howtos/libre/test_libre.py", HOWTO)
    write(root / "howtos/librem.md", "# librem\n\n```console\n$ echo librem\nlibrem\n```\n")
    write(root / "howtos/sipsak.md", "# sipsak\n\n```console\n$ echo sipsak\nsipsak\n```\n")


def write_package(root: Path, name: str, *, depends: str = "", version: str = "1.0") -> None:
    """Write a source package of the workspace."""
    folder = root / "packages" / name
    depends = f", {depends}" if depends else ""
    write(folder / "debian/control", CONTROL.format(name=name, depends=depends))
    write(folder / "debian/changelog", CHANGELOG.format(name=name, version=version))
    write(folder / "debian/source/format", "3.0 (native)\n")


def write(path: Path, text: str) -> None:
    """Write a file, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def node_ids(result: pytest.RunResult) -> list[str]:
    """The items of ``--collect-only -q``."""
    return [line for line in result.outlines if "::" in line]


def said(result: pytest.RunResult) -> str:
    """All that a run has printed."""
    return f"{result.stdout.str()}\n{result.stderr.str()}"
