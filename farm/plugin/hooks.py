"""Floor 6: the pytest plugin: options, and a workspace or a release as soon as there is one.

Where there is no farm.toml and nothing is released, this adds options to pytest and does nothing.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from farm.base.errors import FarmError, InputError
from farm.base.files import read_json
from farm.config.settings import Workspace
from farm.config.workspace import find, load
from farm.plugin import collection, fixtures, machine_fixtures, running
from farm.plugin.context import CONTEXT, WORKSPACE, ReleaseRun
from farm.plugin.options import GATE_MARK, INSTALL_MARK, Options, add_options
from farm.plugin.progress import Progress
from farm.plugin.prose import HOWTO_PLACES
from farm.plugin.prose_places import make_places
from farm.plugin.report import Reporter
from farm.plugin.schedule_hooks import ScheduleHooks
from farm.plugin.scheduler import Schedule
from farm.plugin.summary import Summary
from farm.plugin.verdicts import VERDICTS, Verdicts

_PROGRESS = pytest.StashKey[Progress]()
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
    options = Options.of(config)
    try:
        workspace = _find_workspace(config, needed=bool(options.release))
        if workspace is None:
            return
        config.stash[WORKSPACE] = workspace
        for plugin in (fixtures, machine_fixtures, collection, running):
            config.pluginmanager.register(plugin)
        if options.release:
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
    if getattr(config.option, "dist", "no") not in ("no", "load"):
        raise pytest.UsageError(
            f"--dist {config.option.dist} does not know what is built before what: leave it out."
        )
    config.stash[CONTEXT] = run
    if not _is_worker(config):
        _check_arguments(config)
        run.workers = int(getattr(config.option, "numprocesses", 0) or 1)
        reporter = Reporter(run, _page_path(config, workspace, run))
        config.pluginmanager.register(reporter, "farm-report")
        config.pluginmanager.register(Summary(run, reporter), "farm-summary")
    if not config.option.collectonly:
        config.pluginmanager.register(ScheduleHooks(lambda: _read_schedule(run)), "farm-schedule")
        if not _is_worker(config) and not getattr(config.option, "xmlpath", ""):
            config.option.xmlpath = str(workspace.root / "reports" / run.repository / "junit.xml")


def _page_path(config: pytest.Config, workspace: Workspace, run: ReleaseRun) -> Path:
    """Give where the page about the run goes: beside the JUnit file, if that has a place."""
    wanted = getattr(config.option, "xmlpath", "")
    if wanted:
        return (config.invocation_params.dir / wanted).with_suffix(".html")
    return workspace.root / "reports" / run.repository / "index.html"


def _check_arguments(config: pytest.Config) -> None:
    """Say at once what otherwise each worker would say where nobody reads it."""
    for word in () if config.option.pyargs else config.args:
        if not (config.invocation_params.dir / word.partition("::")[0]).exists():
            raise pytest.UsageError(f"file or directory not found: {word}")


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
        config.stash[VERDICTS] = Verdicts(run)
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


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop showing the progress, and end what workers have shared."""
    progress = config.stash.get(_PROGRESS, None)
    if progress:
        progress.stop()
    run = config.stash.get(CONTEXT, None)
    if run is not None and not _is_worker(config):
        with contextlib.suppress(FarmError):  # else the next run does it
            run.end()
