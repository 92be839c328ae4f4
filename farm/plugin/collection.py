"""Floor 6: the hooks by which the items of a workspace are found, filled and sorted."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable
from pathlib import Path
from typing import Any

import pytest

from farm.base.errors import InputError
from farm.base.files import write_json
from farm.config.settings import Workspace
from farm.model.howto import needs_machine
from farm.plugin import howto_fixtures
from farm.plugin.context import CONTEXT, WORKSPACE, ReleaseRun
from farm.plugin.items import Try, Where, facts_of, howto_package, make_schedule
from farm.plugin.prose import collect_prose, prose_package
from farm.plugin.scheduler import order_items
from farm.plugin.verdicts import VERDICTS
from farm.release.gates import ASKED_FOR, INSTALL, UPGRADE, Unit

_TRIAL = "farm_trial"
_CHECKS = pytest.StashKey[dict[str, str]]()


@pytest.hookimpl(tryfirst=True)
def pytest_collectstart(collector: pytest.Collector) -> None:
    """Let the folder of HOWTOs have their fixtures, and no other folder."""
    workspace = collector.config.stash[WORKSPACE]
    if isinstance(collector, pytest.Directory) and collector.path == workspace.root / "howtos":
        howto_fixtures.register(collector)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect HOWTOs in prose."""
    workspace = parent.config.stash[WORKSPACE]
    if file_path.parent != workspace.root / "howtos":
        return None
    run = parent.config.stash.get(CONTEXT, None)
    places = [str(each) for each in _tries(workspace, run, prose_package(file_path), file_path)]
    return collect_prose(file_path, parent, places) if places else None


def _tries(
    workspace: Workspace, run: ReleaseRun | None, package_name: str, path: Path
) -> list[Try]:
    """Give where a HOWTO is tried: in chroots, and on machines if any are made or upgraded."""
    units = [unit for unit in _units(workspace, run) if unit.package == package_name]
    gates = _gates(workspace, run)
    places = [] if needs_machine(path) else [Where.CHROOT]
    places += [Where.MACHINE] if INSTALL in gates else []
    if UPGRADE in gates and run and run.upgrades:
        places += [Where.BEFORE, Where.UPGRADED]
    return [Try(unit, where) for where in places for unit in units]


def _gates(workspace: Workspace, run: ReleaseRun | None) -> set[str]:
    """Give the gates that are asked for: by any repository, when nothing is released."""
    if run is not None:
        return run.gates
    known = [*workspace.repositories.values(), workspace.private]
    return {str(gate) for repository in known for gate in repository.gates}


def _units(workspace: Workspace, run: ReleaseRun | None) -> list[Unit]:
    if run is not None:
        return list(run.units)
    return [
        Unit(name, each.target)
        for name, known in workspace.packages.items()
        for each in known.targets_in(workspace)
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one item for each package and target that a test asks for."""
    workspace = metafunc.config.stash[WORKSPACE]
    run = metafunc.config.stash.get(CONTEXT, None)
    units = _units(workspace, run)
    targets = sorted({unit.target for unit in units})
    about = howto_package(metafunc.definition.path, workspace.root)
    values: dict[str, list[Any]] = {
        "job": units,
        "released": units,
        "released_target": targets,
        "machine": targets,
        "release": [run.repository if run else "no release"],
        _TRIAL: _tries(workspace, run, about, metafunc.definition.path) if about else [],
    }
    wanted = _wanted(metafunc, values)
    problem = _howto_problem(metafunc, wanted) if about in workspace.packages else ""
    problem = problem or _check_problem(metafunc, wanted)
    if problem:  # a test that no gate would notice; this way every worker tells it properly
        pytest.fail(f"{metafunc.definition.nodeid} {problem}", pytrace=False)
    for name in wanted:
        ids = [str(value) for value in values[name]]
        metafunc.parametrize(name, values[name], indirect=True, ids=ids)


def _howto_problem(metafunc: pytest.Metafunc, wanted: Collection[str]) -> str:
    if not metafunc.definition.path.match("test_*.py"):
        return "is not taken for a HOWTO: call its file test_NAME.py."
    if _TRIAL not in wanted:
        return (
            "asks for neither 'host' nor 'package', so it tries no package on any target: let it "
            "use one of the two."
        )
    return ""


def _check_problem(metafunc: pytest.Metafunc, wanted: Collection[str]) -> str:
    mark = metafunc.definition.get_closest_marker("farm_gate")
    if mark is None or not mark.args or not wanted:
        return ""
    known = metafunc.config.stash.setdefault(_CHECKS, {})
    name, nodeid = f"{mark.args[0]}/{metafunc.definition.name}", metafunc.definition.nodeid
    other = known.setdefault(name, nodeid)
    if other == nodeid:
        return ""
    return f"and {other} are one check of the {mark.args[0]} gate: give one of them another name."


def _wanted(metafunc: pytest.Metafunc, names: Iterable[str]) -> list[str]:
    """Choose what a test asks the farm for: neither parameters nor fixtures of its own."""
    own: set[str] = set()
    for mark in metafunc.definition.iter_markers("parametrize"):
        argnames = mark.args[0] if mark.args else mark.kwargs["argnames"]
        own.update(argnames.replace(",", " ").split() if isinstance(argnames, str) else argnames)
    for name, definitions in metafunc._arg2fixturedefs.items():
        if not definitions[-1].func.__module__.startswith("farm.plugin."):
            own.add(name)
    return [name for name in names if name in metafunc.fixturenames and name not in own]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, None, None]:
    """Note what a whole collection consists of, and sort the items by what they need."""
    run = config.stash.get(CONTEXT, None)
    root = config.stash[WORKSPACE].root
    _leave_out_others(config, items, root, _gates(config.stash[WORKSPACE], run))
    whole = [(item, facts) for item in items if run and (facts := facts_of(item, root))]
    yield
    if run is None or config.option.collectonly:
        return
    if session.testsfailed and not config.option.continue_on_collection_errors:
        items.clear()  # pytest does so by itself, but not in the workers of xdist
    if _is_whole(session):
        config.stash[VERDICTS].expect(whole)
    schedule = make_schedule(items, run, run.workshop.ledger.durations())
    if hasattr(config, "workerinput"):
        write_json(run.folder / "schedule.json", schedule.to_json())
        return
    try:
        items[:] = order_items(items, schedule)
    except InputError as error:
        raise pytest.UsageError(str(error)) from None


def _is_whole(session: pytest.Session) -> bool:
    """Say whether every file that was collected gave all its items.

    Not with ``FILE::TEST``, nor with ``--last-failed``, which collects no more of a file than what
    has failed, nor when a part of a file could not be collected.
    """
    named = any("::" in arg for arg in session.config.args)
    partly = getattr(session.config.option, "lf", False)
    return not named and not partly and not session.testsfailed


def _leave_out_others(
    config: pytest.Config, items: list[pytest.Item], root: Path, gates: Collection[str]
) -> None:
    """Deselect the HOWTOs of packages that are not released now, and gates nobody asks for."""
    others, unasked = set(), set()
    for item in items:
        facts = facts_of(item, root)
        if facts is None and _TRIAL in getattr(item, "fixturenames", ()):
            others.add(item)
        if facts is not None and facts.gate in ASKED_FOR and facts.gate not in gates:
            unasked.add(item)
    gone = others | unasked
    items[:] = [item for item in items if item not in gone]
    told = others if items else gone  # these are worth a word only where nothing else is
    if told:
        config.hook.pytest_deselected(items=list(told))
