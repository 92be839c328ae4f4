"""The floors of the farm: a module imports only what lies below it.

Imports inside functions and under TYPE_CHECKING count too: circles hide there.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FARM = ROOT / "farm"

FLOORS = {
    "base": 0,
    "config": 1, "model": 1,
    "place": 2, "source": 2,
    "build": 3,
    "machine": 4, "repo": 4, "report": 4,
    "release": 5,
    "plugin": 6,
    "cli": 7,
}  # fmt: skip
# The one that may look at its neighbour: what farm.toml says is made of values of the model.
NEIGHBOURS = {("config", "model")}
# Not code of the farm: what a new workspace begins with.
TEMPLATES = "templates"
# The floor that knows pytest, and what comes with it.
PYTEST_HOME = "plugin"
PYTEST = {"_pytest", "pytest", "testinfra", "xdist"}

LONGEST_FILE = 300
LONGEST_FUNCTION = 40

MODULES = sorted(
    path for path in FARM.rglob("*.py") if path.relative_to(FARM).parts[0] != TEMPLATES
)


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every imported name, with its line; of ``from a import b`` it is ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def complaints(path: str, source: str) -> list[str]:
    """What is wrong with the imports of a module.

    :param path: relative to farm/.
    """
    room = path.split("/")[0]
    found = []
    for line, name in imports(ast.parse(source)):
        top, *rest = name.split(".")
        if not top:
            found.append(f"{path}:{line} imports relatively: {name}")
        elif top in PYTEST and room != PYTEST_HOME:
            found.append(f"{path}:{line} imports {top}, which only farm/{PYTEST_HOME} may")
        elif top == "farm" and (not rest or rest[0] not in FLOORS):
            found.append(f"{path}:{line} imports {name}, which is on no floor")
        elif top == "farm" and not may_import(room, rest[0]):
            found.append(f"{path}:{line} imports {name}, which is not below farm/{room}")
    return found


def may_import(room: str, other: str) -> bool:
    return room == other or (room, other) in NEIGHBOURS or FLOORS[other] < FLOORS[room]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(FARM)))
def test_a_module_imports_only_what_lies_below(path: Path) -> None:
    name = path.relative_to(FARM).as_posix()
    if name != "__init__.py":
        assert name.split("/")[0] in FLOORS, f"farm/{name} is on no floor"
    assert complaints(name, path.read_text()) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("base/files.py", "from farm.model.target import Target"),
        ("base/files.py", "import farm.model.target"),
        ("base/files.py", "from farm import model"),
        ("source/apt.py", "from farm.place.overlay import Overlay"),
        ("model/names.py", "from farm.config.workspace import Workspace"),
        ("repo/tree.py", "def late():\n    from farm.plugin.hooks import pytest_configure"),
        ("repo/tree.py", "if TYPE_CHECKING:\n    from farm.cli.main import main"),
        ("release/gates.py", "import pytest"),
        ("place/host.py", "from testinfra.host import Host"),
        ("repo/tree.py", "from .snapshot import Snapshot"),
        ("repo/tree.py", "import farm"),
        ("repo/tree.py", "from farm.attic.old import thing"),
    ],
)
def test_what_would_be_a_complaint(path: str, source: str) -> None:
    assert len(complaints(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("config/workspace.py", "from farm.model.target import Target"),
        ("cli/main.py", "from farm.plugin import hooks"),
        ("plugin/hooks.py", "import pytest, xdist"),
        ("repo/tree.py", "from farm.repo.snapshot import Snapshot"),
    ],
)
def test_what_is_allowed(path: str, source: str) -> None:
    assert complaints(path, source) == []


def test_an_init_file_is_empty() -> None:
    assert [str(path) for path in MODULES if path.name == "__init__.py" and path.read_text()] == []


def test_every_room_is_a_package() -> None:
    rooms = {path.parent for path in MODULES}
    assert [str(room) for room in rooms if not (room / "__init__.py").exists()] == []


@pytest.mark.filterwarnings("default::UserWarning")
def test_what_is_long_is_mentioned() -> None:
    """Files and functions that grew are warned about; they do not fail."""
    for path in MODULES:
        source = path.read_text()
        name = path.relative_to(ROOT)
        if (length := len(source.splitlines())) > LONGEST_FILE:
            warnings.warn(f"{name} has {length} lines, over {LONGEST_FILE}", stacklevel=1)
        for function in ast.walk(ast.parse(source)):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (function.end_lineno or 0) - function.lineno + 1
                if length > LONGEST_FUNCTION:
                    warnings.warn(
                        f"{name}:{function.lineno} {function.name} has {length} lines, "
                        f"over {LONGEST_FUNCTION}",
                        stacklevel=1,
                    )
