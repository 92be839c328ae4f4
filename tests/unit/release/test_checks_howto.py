"""HOWTOs that a package has, and the digests of all that decides what they try."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.base.errors import AuditFailed
from farm.model.target import Target
from farm.release.checks import check_howto, find_howtos, howto_files
from farm.release.gates import Unit

LIBRE = Unit("libre", Target("bookworm", "amd64"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with two HOWTOs for libre, and things beside them."""
    for name, text in {
        "conftest.py": "",
        "howtos/conftest.py": "phone = 1",
        "howtos/libre.md": "$ libre",
        "howtos/other.md": "$ other",
        "howtos/libre/test_libre.py": "def test(): pass",
        "howtos/libre/test_more.py": "def test(): pass",
        "howtos/libre/dialogue.py": "HELLO = 1",
        "howtos/libre/data/invite.sip": "INVITE",
        "howtos/libre/data/test_no_howto.py": "",
        "howtos/other/test_other.py": "",
    }.items():
        write(tmp_path / name, text)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def digests(root: Path) -> dict[str, str]:
    return {howto.path: howto.digest for howto in howto_files(LIBRE, root)}


PROSE, FIRST, SECOND = (
    "howtos/libre.md", "howtos/libre/test_libre.py", "howtos/libre/test_more.py",
)  # fmt: skip
ALL = {PROSE, FIRST, SECOND}


def test_prose_and_python_are_found(root: Path) -> None:
    found = find_howtos("libre", folder=root / "howtos")
    assert found == [root / PROSE, root / FIRST, root / SECOND]
    assert {howto.unit for howto in howto_files(LIBRE, root)} == {LIBRE}
    assert set(digests(root)) == ALL


@pytest.mark.parametrize("name", ["libr", "libre.md", "missing", "data"])
def test_a_package_without_a_howto_is_refused_with_what_to_write(root: Path, name: str) -> None:
    with pytest.raises(AuditFailed) as caught:
        check_howto(name, folder=root / "howtos")
    assert caught.value.brief.startswith(f"{name} has no HOWTO")
    assert f"howtos/{name}/test_{name}.py" in caught.value.hint


def test_a_workspace_without_howtos_has_none(tmp_path: Path) -> None:
    with pytest.raises(AuditFailed):
        check_howto("libre", folder=tmp_path / "howtos")
    assert howto_files(LIBRE, tmp_path) == []


def test_either_form_is_enough(root: Path) -> None:
    check_howto("libre", folder=root / "howtos")
    (root / PROSE).unlink()
    check_howto("libre", folder=root / "howtos")


@pytest.mark.parametrize(
    ("name", "touched"),
    [
        (PROSE, {PROSE}),
        (FIRST, {FIRST, SECOND}),
        ("howtos/libre/dialogue.py", {FIRST, SECOND}),
        ("howtos/libre/new.py", {FIRST, SECOND}),
        ("howtos/libre/data/invite.sip", {FIRST, SECOND}),
        ("howtos/conftest.py", ALL),
        ("howtos/phone.py", ALL),
        ("conftest.py", ALL),
        ("howtos/other.md", set()),
        ("howtos/other/test_other.py", set()),
        ("howtos/libre/__pycache__/dialogue.cpython-311.pyc", set()),
        ("README.md", set()),
    ],
)
def test_what_decides_about_verdicts(root: Path, name: str, touched: set[str]) -> None:
    before = digests(root)
    write(root / name, "something else")
    after = digests(root)
    assert {path for path in ALL if after[path] != before[path]} == touched


def test_a_file_that_is_gone_counts_too(root: Path) -> None:
    before = digests(root)
    (root / "howtos/libre/dialogue.py").unlink()
    assert digests(root)[FIRST] != before[FIRST]


def test_a_file_that_got_another_name_counts_too(root: Path) -> None:
    before = digests(root)
    (root / "howtos/libre/dialogue.py").rename(root / "howtos/libre/speech.py")
    assert digests(root)[FIRST] != before[FIRST]


def test_where_the_workspace_lies_does_not_count(root: Path) -> None:
    before = digests(root)
    moved = root.rename(root.with_name("moved"))
    assert digests(moved) == before


def test_a_howto_for_machines_is_found_and_is_not_enough(tmp_path: Path) -> None:
    folder = tmp_path / "howtos"
    write(folder / "libre_on_machine.md", "# systemctl")
    write(folder / "libre/test_service_on_machine.py", "def test(): pass")
    names = [path.name for path in find_howtos("libre", folder=folder)]
    assert names == ["libre_on_machine.md", "test_service_on_machine.py"]
    with pytest.raises(AuditFailed, match="libre has no HOWTO but for machines"):
        check_howto("libre", folder=folder)
    write(folder / "libre.md", "$ libre --version")
    check_howto("libre", folder=folder)
