"""A new workspace explains itself to whoever runs pytest in it without having read anything."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

import farm
from farm.release.new_workspace import Plan, make_workspace

pytest_plugins = ["pytester"]


@pytest.fixture
def workspace(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A new workspace; pytest finds this farm and no other."""
    monkeypatch.setenv("PYTHONPATH", str(Path(farm.__path__[0]).parent))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    make_workspace(Plan(pytester.path, datetime.now(UTC), "acme"))
    return pytester


def test_without_release_nothing_is_done_and_that_is_said(workspace: pytest.Pytester) -> None:
    result = workspace.runpytest_subprocess("-rs", timeout=60)

    assert result.ret == pytest.ExitCode.OK
    outcomes = result.parseoutcomes()
    assert set(outcomes) == {"skipped"}
    assert "give --release REPOSITORY" in result.stdout.str()
    assert not workspace.path.joinpath(".farm").exists()


def test_its_items_are_the_release_and_both_howtos(workspace: pytest.Pytester) -> None:
    result = workspace.runpytest_subprocess("--collect-only", "-q", timeout=60)

    found = {line for line in result.outlines if "::" in line}
    target = "hello-world@bookworm-amd64"
    assert f"release_tests/test_build.py::test_build[{target}]" in found
    assert f"release_tests/test_repository.py::test_installable[{target}]" in found
    assert any(line.startswith("release_tests/test_publish.py::test_publish") for line in found)
    howtos = "howtos/hello-world"
    assert any(line.startswith(f"{howtos}.md::") for line in found)
    assert any(line.startswith(f"{howtos}/test_hello_world.py::") for line in found)


def test_a_subfolder_is_as_good(workspace: pytest.Pytester) -> None:
    result = workspace.runpytest_subprocess("-q", "howtos", "-n2", timeout=60)

    result.assert_outcomes(skipped=4)
