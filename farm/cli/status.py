"""Floor 7: ``farm status``: what the repositories hold, how the packages stand, what goes on."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from farm.build.failures import Failure
from farm.cli.arguments import Subparsers, add_command, add_json, open_workshop
from farm.cli.terminal import heading, say, say_json, say_table, show_duration, show_time
from farm.config.settings import Workspace
from farm.release.overview import GateState, KeptMachine, Overview, RepositoryState, look_over
from farm.release.survey import Row, State
from farm.report.activity import Running

_STYLES = {
    State.BUILT: "green", State.NEEDED: "yellow", State.FAILED: "red", State.BLOCKED: "red",
    State.UNKNOWN: "yellow", "never published": "dim", "open": "green", "shut": "red",
}  # fmt: skip


def add_parser(subparsers: Subparsers) -> None:
    """Add ``farm status`` to the commands of the farm."""
    parser = add_command(
        subparsers, "status", brief="what the repositories hold, and how every package stands",
        description="Show what every repository holds and which of its gates are open, how "
        "every package stands on every target, the environments of failed builds, "
        "machines on which something failed, and runs that go on now. Asks nothing of the "
        "network: packages of the distribution are seen as its archive was last read.",
        example="farm status\nfarm status --json | jq '.packages[] | select(.state != \"built\")'",
    )  # fmt: skip
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Show it.

    :raises FarmError: when the workspace cannot be read.
    """
    with open_workshop(args) as workshop:
        overview = look_over(workshop)
        if args.json:
            say_json(_as_json(workshop.workspace, overview))
        else:
            _say(workshop.workspace, overview)
    return 0


def _say(workspace: Workspace, overview: Overview) -> None:
    say(f"{workspace.name} in {workspace.root}", "")
    heading("repositories")
    _say_repositories(overview.repositories)
    say("")
    heading("packages")
    say_table(map(_package_line, overview.packages), styles=_STYLES)
    if overview.failures:
        say("")
        heading("kept environments of failed builds")
        say_table(map(_failure_line, overview.failures))
        say("  farm shell NAME enters one, farm gc --failed NAME releases it.")
    if overview.machines:
        say("")
        heading("kept machines")
        say_table(map(_machine_line, overview.machines))
        say("  farm shell NAME enters one, farm gc --failed NAME releases it.")
    for running in overview.runs:
        say("")
        _say_running(running)


def _say_repositories(repositories: Sequence[RepositoryState]) -> None:
    rows = []
    for each in repositories:
        title = each.snapshot or each.problem or "never published"
        # A row for each fact, with the name before the first one only.
        facts = [(title,), *_about(each)]
        rows += [("" if number else each.name, *fact) for number, fact in enumerate(facts)]
    say_table(rows, styles=_STYLES)


def _about(repository: RepositoryState) -> Iterator[tuple[str, ...]]:
    if repository.since:
        count = _count(repository.packages, "package")
        yield ("since", f"{show_time(repository.since)}, {count}")
        yield ("candidate", repository.digest[:16])
        yield ("key", repository.key)
        yield from _gate_lines(repository.gates)
    if repository.next:
        shut = [gate.name for gate in repository.next.gates if not gate.open]
        command = f"farm promote {repository.next.source} {repository.name}"
        verdict = f"shut for it: {', '.join(shut)}" if shut else f"open for it: {command}"
        yield ("next", f"{repository.next.snapshot}, {verdict}")


def _gate_lines(gates: Iterable[GateState]) -> Iterator[tuple[str, ...]]:
    for gate in gates:
        state = "open" if gate.open else "shut"
        yield ("gate", f"{gate.name}", state, f"{gate.passed} of {gate.required} passed")
        if not gate.open:
            yield ("", gate.why)


def _package_line(row: Row) -> tuple[str, ...]:
    told = "; ".join(row.reasons)
    return (row.package, row.target, row.version or "-", row.state, told)


def _failure_line(failure: Failure) -> tuple[str, ...]:
    return (failure.name, show_time(datetime.fromisoformat(failure.when)), failure.reason)


def _machine_line(machine: KeptMachine) -> tuple[str, ...]:
    return (machine.name, show_time(datetime.fromisoformat(machine.when)), machine.why)


def _say_running(running: Running) -> None:
    heading(f"a run is going on for {show_duration(running.seconds)}: {running.name}")
    say(*(f"  {doing}" for doing in running.doings))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _as_json(workspace: Workspace, overview: Overview) -> dict[str, Any]:
    return {
        "workspace": workspace.name,
        "root": str(workspace.root),
        "repositories": [asdict(each) for each in overview.repositories],
        "packages": [
            {"package": row.package, "target": row.target, "version": row.version,
             "state": str(row.state), "reasons": row.reasons, "key": row.key}
            for row in overview.packages
        ],
        "failures": [
            {"name": each.name, "when": each.when, "reason": each.reason, "log": each.log,
             "environment": each.environment, "key": each.key}
            for each in overview.failures
        ],
        "machines": [asdict(each) for each in overview.machines],
        "runs": [asdict(each) for each in overview.runs],
    }  # fmt: skip
