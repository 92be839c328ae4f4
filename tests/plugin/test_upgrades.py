"""HOWTOs on machines of what users have, before and after their upgrade to a candidate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from farm.model.verdict import Verdict
from farm.report.ledger import Ledger
from tests.plugin.release_sample import FARM_TOML, ROOT, make_workspace, write

pytest_plugins = ["pytester"]

Release = Callable[..., pytest.RunResult]
MACHINE = '[machine]\npackages = ["libre"]\n'
PROSE = "howtos/sipsak_on_machine.md"
PYTHON = "howtos/sipsak/test_sipsak_on_machine.py"


@pytest.fixture
def root(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace in which machines are upgraded, and users have a sipsak."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    make_workspace(pytester.path)
    write(pytester.path / "farm.toml", FARM_TOML.replace('"howto"]', '"upgrade"]') + MACHINE)
    write(pytester.path / "former", "older sipsak")
    return pytester.path


@pytest.fixture
def release(pytester: pytest.Pytester, root: Path) -> Release:
    """Try the HOWTOs of sipsak that are for machines."""

    def release(path: str = PROSE) -> pytest.RunResult:
        (root / "did").unlink(missing_ok=True)
        return pytester.runpytest("-p", "tests.plugin.fake_workshop", "--release", "rc", path)

    return release


def howto(root: Path, command: str) -> None:
    write(root / PROSE, f"```console\n$ {command}\n```\n")


def told(root: Path) -> str:
    return (root / "reports/rc/index.html").read_text()


def did(root: Path, what: str) -> list[str]:
    lines = (root / "did").read_text().splitlines()
    return [line.removeprefix(f"{what} ") for line in lines if line.startswith(f"{what} ")]


def clones(root: Path) -> list[str]:
    return did(root, "clone")


def verdicts(root: Path, digest: str) -> dict[str, Verdict]:
    ledger = Ledger(root / ".farm/ledger.sqlite")
    found = dict(ledger.verdicts(digest))
    ledger.close()
    return found


BEFORE = f"upgrade/before/{PROSE}::howto[sipsak@bookworm-amd64]"


def test_a_howto_is_tried_before_the_upgrade_and_after_it(root: Path, release: Release) -> None:
    howto(root, "true")
    release().assert_outcomes(passed=2)
    assert clones(root) == [
        "sipsak@bookworm-amd64 before its upgrade", "sipsak@bookworm-amd64 on an upgraded machine",
    ]  # fmt: skip


def test_what_users_have_need_not_pass_for_nobody_can_mend_it(
    root: Path, release: Release
) -> None:
    howto(root, 'test "$UPGRADED"')
    result = release()
    result.assert_outcomes(xfailed=1, passed=1)
    assert result.ret == 0
    assert f"on what users have: {PROSE}:2: The command ended with exit status 1" in told(root)
    verdict = verdicts(root, "older")[BEFORE]
    assert verdict.state.opens, "it was tried, which is all that the gate asks for"
    assert verdict.reason.startswith("on what users have: ")


def test_an_upgrade_that_breaks_something_is_told_from_what_was_broken_before(
    root: Path, release: Release
) -> None:
    howto(root, 'test -z "$UPGRADED"')
    release().assert_outcomes(passed=1, failed=1)
    assert "what users have passes this, so it came with the upgrade" in told(root)
    howto(root, "false")
    release().assert_outcomes(xfailed=1, failed=1)
    assert "it came with the upgrade" not in told(root)
    assert told(root).count("<div>on what users have: ") == 2, "with both items"


@pytest.mark.parametrize(("path", "text"), [
    (PROSE, "```console\n$ false\n```\n"),
    (PYTHON, "def test_it(host): assert host.run('false').rc == 0\n"),
], ids=["prose", "python"])  # fmt: skip
def test_a_machine_hears_that_something_has_failed_on_it(
    root: Path, release: Release, path: str, text: str
) -> None:
    write(root / path, text)
    release(path).assert_outcomes(xfailed=1, failed=1)
    assert "sipsak@bookworm-amd64 on an upgraded machine" in did(root, "red"), (
        "else it is not kept"
    )


def test_what_users_do_not_have_is_tried_after_the_upgrade_only(
    root: Path, release: Release
) -> None:
    write(root / "former", "older libre")
    howto(root, "true")
    release().assert_outcomes(xfailed=1, passed=1)
    assert clones(root) == ["sipsak@bookworm-amd64 on an upgraded machine"]
    assert "on what users have: users have no sipsak yet" in told(root)


def test_what_users_have_is_not_looked_at_again(root: Path, release: Release) -> None:
    howto(root, 'test "$UPGRADED"')
    release()
    result = release()
    assert result.parseoutcomes() == {"recorded": 2}
    assert "on what users have: " in told(root), "what is known of it is told again"


@pytest.mark.parametrize(("path", "text"), [
    (PROSE, "```console\n$ true\n```\n"),
    (PYTHON, "def test_it(host): assert host.run('true').rc == 0\n"),
], ids=["prose", "python"])  # fmt: skip
def test_what_passed_when_it_was_released_is_known_of_what_users_have(
    root: Path, release: Release, path: str, text: str
) -> None:
    both = FARM_TOML.replace('"howto"]', '"install", "upgrade"]') + MACHINE
    write(root / "farm.toml", both)
    write(root / path, text)
    (root / "former").unlink()
    release(path).assert_outcomes(passed=1)  # on a machine that was just installed
    write(root / "former", f"{did(root, 'candidate')[0]} sipsak")
    assert release(path).parseoutcomes() == {"recorded": 2, "passed": 1}
    assert clones(root) == ["sipsak@bookworm-amd64 on an upgraded machine"]
