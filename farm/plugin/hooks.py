"""Floor 6: the pytest plugin: hooks only, what they do lies in the modules beside."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from farm.base.errors import Blocked, FarmError, InputError
from farm.base.files import read_json, write_json
from farm.config.settings import Workspace
from farm.config.workspace import find, load
from farm.model.target import Target
from farm.plugin import fixtures
from farm.plugin.context import CONTEXT, ReleaseRun
from farm.plugin.items import Facts, facts_of, howto_package, make_schedule
from farm.plugin.options import GATE_MARK, INSTALL_MARK, Options, add_options
from farm.plugin.progress import Progress
from farm.plugin.prose import HOWTO_PLACES, collect_prose
from farm.plugin.prose_places import make_places
from farm.plugin.schedule_hooks import ScheduleHooks
from farm.plugin.scheduler import Schedule, order_items
from farm.plugin.summary import Summary
from farm.plugin.verdicts import RECORDED, Verdicts, state_of
from farm.release.gates import Unit

_WORKSPACE = pytest.StashKey["Workspace | None"]()
_VERDICTS = pytest.StashKey[Verdicts]()
_PROGRESS = pytest.StashKey[Progress]()
_ERROR = pytest.StashKey["BaseException | None"]()
_RUN = "farm_run"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; see :mod:`farm.plugin.options`."""
    add_options(parser)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read farm.toml and set up a release run, if one is asked for."""
    for mark in (GATE_MARK, INSTALL_MARK):
        config.addinivalue_line("markers", mark)
    # Registered here, late, so that ``host`` goes before the one of pytest-testinfra.
    config.pluginmanager.register(fixtures, "farm-fixtures")
    options = Options.of(config)
    try:
        workspace = _find_workspace(config, needed=bool(options.release))
        config.stash[_WORKSPACE] = workspace
        config.stash[CONTEXT] = None
        if workspace and options.release:
            _set_up(config, workspace, options)
    except InputError as error:
        raise pytest.UsageError(str(error)) from None


def _find_workspace(config: pytest.Config, *, needed: bool) -> Workspace | None:
    start = config.invocation_params.dir
    if not needed and not any((each / "farm.toml").is_file() for each in (start, *start.parents)):
        return None
    return load(find(start))


def _set_up(config: pytest.Config, workspace: Workspace, options: Options) -> None:
    name = getattr(config, "workerinput", {}).get(_RUN, "")
    run = ReleaseRun(workspace, options, run=name)
    run.check_options()
    config.stash[CONTEXT] = run
    if not _is_worker(config):
        run.workers = int(getattr(config.option, "numprocesses", 0) or 1)
        if not config.option.xmlpath:
            config.option.xmlpath = str(workspace.root / "reports" / run.repository / "junit.xml")
        config.pluginmanager.register(Summary(run), "farm-summary")
    if not config.option.collectonly:
        config.pluginmanager.register(ScheduleHooks(lambda: _read_schedule(run)), "farm-schedule")


def _read_schedule(run: ReleaseRun) -> Schedule:
    return Schedule.from_json(read_json(run.folder / "schedule.json"))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Fetch sources and make the plan before any worker starts; in a worker, read the plan."""
    config = session.config
    run = config.stash.get(CONTEXT, None)
    if run is None or config.option.collectonly:
        return
    try:
        if _is_worker(config):
            run.join()
        else:
            _prepare(config, run)
        config.stash[_VERDICTS] = Verdicts(run)
        config.stash[HOWTO_PLACES] = make_places(run)
    except InputError as error:
        raise pytest.UsageError(str(error)) from None
    except FarmError as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.INTERNAL_ERROR)


def _prepare(config: pytest.Config, run: ReleaseRun) -> None:
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    if reporter:
        progress = Progress(run.folder, reporter)
        config.stash[_PROGRESS] = progress
        progress.start()
    run.prepare()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker which run it belongs to."""
    run = node.config.stash.get(CONTEXT, None)
    if run is not None:
        node.workerinput[_RUN] = run.run


# Collection.


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect HOWTOs in prose."""
    workspace = parent.config.stash.get(_WORKSPACE, None)
    if workspace is None or file_path.parent != workspace.root / "howtos":
        return None
    run = parent.config.stash.get(CONTEXT, None)
    targets = [str(target) for target in _howto_targets(workspace, run, file_path.stem)]
    return collect_prose(file_path, parent, targets) if targets else None


def _howto_targets(
    workspace: Workspace, run: ReleaseRun | None, package_name: str
) -> list[Target]:
    """Give the targets on which the HOWTO of a package is tried."""
    if run is not None:
        return [unit.target for unit in run.units if unit.package == package_name]
    known = workspace.packages.get(package_name)
    return [each.target for each in known.targets_in(workspace)] if known else []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one item for each package and target that a test asks for."""
    workspace = metafunc.config.stash.get(_WORKSPACE, None)
    if workspace is None:
        return
    run = metafunc.config.stash.get(CONTEXT, None)
    units = list(run.units) if run else _all_units(workspace)
    if "job" in metafunc.fixturenames:
        _parametrize(metafunc, "job", units)
    if "released" in metafunc.fixturenames:
        _parametrize(metafunc, "released", units)
    if "released_target" in metafunc.fixturenames:
        _parametrize(metafunc, "released_target", sorted({unit.target for unit in units}))
    if "release" in metafunc.fixturenames:
        _parametrize(metafunc, "release", [run.repository if run else "no release"])
    if "farm_trial" in metafunc.fixturenames:
        about = howto_package(metafunc.definition.path, workspace.root)
        own = [unit for unit in units if unit.package == about]
        metafunc.parametrize("farm_trial", own, indirect=True, ids=[str(u.target) for u in own])


def _parametrize(metafunc: pytest.Metafunc, name: str, values: list[Any]) -> None:
    metafunc.parametrize(name, values, indirect=True, ids=[str(value) for value in values])


def _all_units(workspace: Workspace) -> list[Unit]:
    return [
        Unit(name, each.target)
        for name, known in workspace.packages.items()
        for each in known.targets_in(workspace)
    ]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, None, None]:
    """Note what a whole collection consists of, and sort the items by what they need."""
    run = config.stash.get(CONTEXT, None)
    _leave_out_others(config, items)
    whole = [(item, facts) for item in items if run and (facts := _facts(item))]
    yield
    if run is None or config.option.collectonly:
        return
    if not any("::" in arg for arg in config.args):
        config.stash[_VERDICTS].expect(whole)
    schedule = make_schedule(items, run, run.workshop.ledger.durations())
    try:
        items[:] = order_items(items, schedule) if not _is_worker(config) else items
    except InputError as error:
        raise pytest.UsageError(str(error)) from None
    if _is_worker(config):
        write_json(run.folder / "schedule.json", schedule.to_json())


def _leave_out_others(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the HOWTOs of packages that are not released now."""
    workspace = config.stash.get(_WORKSPACE, None)
    if workspace is None:
        return
    others = [
        item for item in items
        if howto_package(item.path, workspace.root) and not facts_of(item, workspace.root)
    ]  # fmt: skip
    if others:
        items[:] = [item for item in items if item not in others]
        config.hook.pytest_deselected(items=others)


def _facts(item: pytest.Item) -> Facts | None:
    workspace = item.config.stash.get(_WORKSPACE, None)
    return facts_of(item, workspace.root) if workspace else None


# Running.


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Do not try again what has passed on identical digests, with identical tests and policies."""
    verdicts = item.config.stash.get(_VERDICTS, None)
    facts = _facts(item)
    if verdicts is None or facts is None:
        return None
    run = item.config.stash[CONTEXT]
    if run:
        run.activity.item = item.name
    try:
        verdict = verdicts.recall(facts)
    except FarmError:  # the item itself will say it better
        return None
    if verdict is None:
        return None
    item.user_properties.append((RECORDED, verdict.when.isoformat(timespec="seconds")))
    item.user_properties += run.properties(facts.subject) if run else []
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for when in ("setup", "call", "teardown"):
        now = time.time()
        report = pytest.TestReport(
            nodeid=item.nodeid, location=item.location, keywords={}, outcome="passed",
            longrepr=None, when=when, start=now, stop=now,
            user_properties=item.user_properties,
        )  # fmt: skip
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    # What former items hold and the next one does not need ends here, as after any other item.
    # The hook for it would be no use: plugins take it for granted that the item was set up.
    item.session._setupstate.teardown_exact(nextitem)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the farm's errors without tracebacks, and record how the item ended."""
    report = yield
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, Blocked):
        report.outcome = "skipped"
        path, line, _ = item.reportinfo()
        report.longrepr = (str(path), (line or 0) + 1, f"Skipped: blocked by {error.by}")
    elif isinstance(error, FarmError) and not item.config.option.fulltrace:
        report.longrepr = str(error)
    if error is not None and item.stash.get(_ERROR, None) is None:
        item.stash[_ERROR] = error
    run = item.config.stash.get(CONTEXT, None)
    facts = _facts(item)
    if run is None or item.config.option.collectonly:
        return report
    if call.when == "call" or (call.when == "setup" and error):
        _finish(item, run, facts, report, call.duration)
    if call.when == "teardown":
        run.activity.rest()
    return report


def _finish(
    item: pytest.Item, run: ReleaseRun, facts: Facts | None, report: pytest.TestReport,
    seconds: float,
) -> None:  # fmt: skip
    state = state_of(item.stash.get(_ERROR, None), skipped=report.skipped)
    if facts is not None:
        reason = "" if report.passed else _reason(report)
        try:
            item.config.stash[_VERDICTS].record(facts, state=state, reason=reason, seconds=seconds)
            item.user_properties += run.properties(facts.subject)
        except FarmError as error:
            report.outcome = "failed"
            report.longrepr = str(error)
    report.user_properties = list(item.user_properties)
    if report.passed:
        run.workshop.ledger.record_duration(item.nodeid, seconds=seconds)


def _reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):  # a skip: path, line, reason
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    lines = str(report.longrepr or "").strip().splitlines()
    crash = getattr(getattr(report.longrepr, "reprcrash", None), "message", "")
    return str(crash or (lines[0] if lines else ""))[:500]


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Count what holds from before apart from what was tried now."""
    recorded = any(name == RECORDED for name, _ in report.user_properties)
    if report.when == "call" and report.passed and recorded:
        return "recorded", "r", "RECORDED"
    return None


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop showing the progress."""
    progress = config.stash.get(_PROGRESS, None)
    if progress:
        progress.stop()
