"""Real runs of pytest with the graph scheduler: right order, nothing lost, never a hang."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

import farm
from farm.plugin.scheduler import FILLER

pytest_plugins = ["pytester"]

CONFTEST = """
import json, os
from pathlib import Path
import pytest
from farm.plugin.schedule_hooks import ScheduleHooks
from farm.plugin.scheduler import Schedule, order_items

HERE = Path(__file__).parent

def pytest_configure(config):
    config.addinivalue_line("markers", "graph(provides=(), needs=(), seconds=None)")
    hooks = ScheduleHooks(lambda: Schedule.from_json(json.loads((HERE / "plan").read_text())))
    config.pluginmanager.register(hooks)

def pytest_collection_modifyitems(config, items):
    found = {item.nodeid: item.get_closest_marker("graph") for item in items}
    plan = {nodeid: mark.kwargs for nodeid, mark in found.items() if mark}
    if hasattr(config, "workerinput"):
        part = HERE / f"plan.{os.getpid()}"
        part.write_text(json.dumps(plan))
        part.replace(HERE / "plan")
    else:
        items[:] = order_items(items, Schedule.from_json(plan))

@pytest.fixture(autouse=True)
def note(request):
    with (HERE / "notes").open("a") as notes:
        notes.write(f"begin {request.node.name}\\n")
    yield
    with (HERE / "notes").open("a") as notes:
        notes.write(f"end {request.node.name}\\n")
"""

CHAIN = """
import pytest
graph = pytest.mark.graph

@graph(needs=["b"])
def test_c(): pass

@graph(provides=["b"], needs=["a"])
def test_b(): pass

@graph(provides=["a"])
def test_a(): pass
"""

Pytest = Callable[..., pytest.RunResult]


@pytest.fixture
def run_pytest(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Pytest:
    """Run pytest with xdist and our hooks only, and end it when it hangs."""
    monkeypatch.setenv("PYTHONPATH", str(Path(farm.__path__[0]).parent))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeconftest(CONFTEST)

    def run(*arguments: str, code: str, xdist: bool = True) -> pytest.RunResult:
        pytester.makepyfile(test_it=code)
        plugin = ("-p", "xdist.plugin") if xdist else ()
        return pytester.runpytest_subprocess(*plugin, *arguments, timeout=40)

    return run


def notes(pytester: pytest.Pytester) -> list[str]:
    return (pytester.path / "notes").read_text().splitlines()


@pytest.mark.parametrize("arguments", [["-n2"], ["-n1"], ["-n0"], []])
def test_run_follows_the_needs(
    pytester: pytest.Pytester, run_pytest: Pytest, arguments: list[str]
) -> None:
    result = run_pytest(*arguments, code=CHAIN, xdist=bool(arguments))
    result.assert_outcomes(passed=3)
    assert [line for line in notes(pytester) if line.startswith("begin")] == [
        *("begin test_a", "begin test_b", "begin test_c")
    ]


def test_filler_is_seen_nowhere(pytester: pytest.Pytester, run_pytest: Pytest) -> None:
    result = run_pytest("-n2", "-v", "-rA", "--durations=0", "--junitxml=junit.xml", code=CHAIN)
    text = result.stdout.str() + result.stderr.str()
    assert result.ret == 0
    assert "2 workers [3 items]" in text
    assert "scheduling tests via GraphScheduling" in text
    assert "[100%]" in text
    junit = (pytester.path / "junit.xml").read_text()
    assert [case.get("name") for case in ElementTree.fromstring(junit).iter("testcase")] == [  # noqa: S314
        *("test_a", "test_b", "test_c")
    ]
    for text_of_run in (text, junit):
        assert "session-fixtures" not in text_of_run


def test_collect_only_lists_real_items(run_pytest: Pytest) -> None:
    result = run_pytest("-n2", "--collect-only", "-q", code=CHAIN)
    assert "3 tests collected" in result.stdout.str()
    assert "session-fixtures" not in result.stdout.str()


def test_other_distribution_modes_are_left_alone(run_pytest: Pytest) -> None:
    result = run_pytest("-n2", "--dist=loadfile", "-v", code=CHAIN)
    result.assert_outcomes(passed=3)
    assert "LoadFileScheduling" in result.stdout.str()
    assert "2 workers [3 items]" in result.stdout.str()


def test_three_hundred_dependent_items_on_two_workers(
    pytester: pytest.Pytester, run_pytest: Pytest
) -> None:
    code = """
        import pytest

        def entry(number):
            needs = [f"r{other}" for other in (number - 2, number // 2) if 0 <= other < number]
            mark = pytest.mark.graph(provides=[f"r{number}"], needs=needs)
            return pytest.param(number, marks=mark)

        @pytest.mark.parametrize("number", [entry(number) for number in reversed(range(300))])
        def test_it(number): pass
    """
    result = run_pytest("-n2", code=code)
    result.assert_outcomes(passed=300)
    place = {line: number for number, line in enumerate(notes(pytester))}
    for number in range(2, 300):
        for need in (number - 2, number // 2):
            assert place[f"end test_it[{need}]"] < place[f"begin test_it[{number}]"]


def test_run_without_items_says_so(run_pytest: Pytest) -> None:
    result = run_pytest("-n2", code="")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.parametrize("stop", ["-x", "--maxfail=2"])
def test_run_stops_after_failures(run_pytest: Pytest, stop: str) -> None:
    code = """
        import pytest

        @pytest.mark.parametrize("number", range(40))
        def test_it(number): assert number > 100
    """
    result = run_pytest("-n2", stop, code=code)
    assert result.ret != 0
    assert 1 <= result.parseoutcomes()["failed"] <= 4


def test_failed_item_releases_those_that_need_it(run_pytest: Pytest) -> None:
    code = CHAIN.replace("def test_a(): pass", "def test_a(): assert False")
    run_pytest("-n2", code=code).assert_outcomes(passed=2, failed=1)


def test_kill_of_an_idle_worker_fails_no_item(run_pytest: Pytest) -> None:
    code = """
        import os, pytest, signal
        from pathlib import Path

        graph = pytest.mark.graph
        here = Path(__file__).parent

        @graph(provides=["both workers"])
        @pytest.mark.parametrize("number", range(2))
        def test_worker(number): (here / f"{os.getpid()}.pid").touch()

        @graph(provides=["kill"], needs=["both workers"])
        def test_kill():
            pids = {int(path.stem) for path in here.glob("*.pid")}
            assert len(pids) == 2
            os.kill(*(pids - {os.getpid()}), signal.SIGKILL)

        @graph(needs=["kill"])
        @pytest.mark.parametrize("number", range(4))
        def test_go_on(number): pass
    """
    result = run_pytest("-n2", code=code)
    result.assert_outcomes(passed=7)
    assert "replacing crashed worker" in result.stdout.str()


@pytest.mark.parametrize("workers", ["-n1", "-n2"])
def test_crash_of_a_worker_loses_no_other_item(run_pytest: Pytest, workers: str) -> None:
    code = CHAIN.replace("def test_a(): pass", "def test_a(): import os; os._exit(3)")
    result = run_pytest(workers, code=code)
    result.assert_outcomes(passed=2, failed=1)
    assert "crashed while running 'test_it.py::test_a'" in result.stdout.str()
    assert result.stdout.str().count("replacing crashed worker") == 1


def test_replacement_that_collects_something_else_ends_the_run(run_pytest: Pytest) -> None:
    code = (
        CHAIN
        + """
from pathlib import Path
crashed = Path(__file__).with_name("crashed")
if crashed.exists():
    def test_d(): pass

@graph(provides=["a"])
def test_crash():
    crashed.touch()
    import os; os._exit(3)
"""
    )
    result = run_pytest("-n1", code=code)
    text = result.stdout.str()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "gw1 cannot replace a crashed worker. Different tests were collected" in text
    assert "+test_it.py::test_d" in text


def test_workers_that_collect_different_items_are_an_error(run_pytest: Pytest) -> None:
    code = """
        import os

        if os.environ.get("PYTEST_XDIST_WORKER") == "gw1":
            def test_more(): pass

        def test_it(): pass
    """
    result = run_pytest("-n2", code=code)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "Different tests were collected between gw" in result.stdout.str()
    result.assert_outcomes(errors=1)


def test_circle_is_a_usage_error_that_names_its_members(run_pytest: Pytest) -> None:
    code = CHAIN.replace('@graph(provides=["a"])', '@graph(provides=["a"], needs=["b"])')
    result = run_pytest("-n2", code=code)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "test_it.py::test_b -> test_it.py::test_a -> test_it.py::test_b" in result.stderr.str()
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize(
    ("when", "hook"),
    [("trylast", "collection_finish(session)"), ("tryfirst", "make_collect_report(collector)")],
)
def test_worker_that_gives_up_ends_the_run(
    pytester: pytest.Pytester, run_pytest: Pytest, when: str, hook: str
) -> None:
    give_up = f"""
@pytest.hookimpl({when}=True)
def pytest_{hook}:
    if os.environ.get("PYTEST_XDIST_WORKER") == "gw1":
        raise pytest.UsageError("not here")
"""
    pytester.makeconftest(CONFTEST + give_up)
    result = run_pytest("-n2", code=CHAIN)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "gw1 ended too early, with exit status 4." in result.stdout.str()


def test_session_fixtures_live_until_the_end_and_are_torn_down_once(
    pytester: pytest.Pytester, run_pytest: Pytest
) -> None:
    code = """
        import pytest
        from pathlib import Path

        @pytest.fixture(scope="session")
        def kept():
            yield
            with Path(__file__).with_name("notes").open("a") as notes:
                notes.write("torn down\\n")

        @pytest.mark.parametrize("number", range(6))
        def test_it(number, kept): pass
    """
    run_pytest("-n1", code=code).assert_outcomes(passed=6)
    assert notes(pytester)[-2:] == ["end test_it[5]", "torn down"]
    assert notes(pytester).count("torn down") == 1


def test_error_of_a_session_fixture_at_the_end_is_reported(run_pytest: Pytest) -> None:
    code = """
        import pytest

        @pytest.fixture(scope="session")
        def kept():
            yield
            raise RuntimeError("left something behind")

        def test_it(kept): pass
    """
    result = run_pytest("-n1", code=code)
    result.assert_outcomes(passed=1, errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "left something behind" in result.stdout.str()
    assert f"ERROR {FILLER}" in result.stdout.str()
