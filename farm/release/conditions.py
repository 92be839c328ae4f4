"""Floor 5: the conditions under which a repository may be replaced."""

from __future__ import annotations

from collections.abc import Sequence

from farm.base.errors import InputError, PromotionRefused
from farm.config.settings import Workspace
from farm.release.gates import recall_expectations, required_items
from farm.release.judgement import GateReport, judge
from farm.release.order import Order, plan_of
from farm.release.versions import find_backwards
from farm.repo.state import Snapshot
from farm.report.ledger import Ledger
from farm.report.records import Claim

_SHOWN = 20


def judge_order(order: Order, *, ledger: Ledger) -> dict[str, GateReport]:
    """Say how each gate that the repository asks for stands now, for exactly this content.

    :raises InputError: for a gate that does not exist.
    """
    plan = plan_of(order)
    expectations = recall_expectations(ledger, order.howtos)
    return {
        gate: judge(
            required_items(gate, plan=plan, expectations=expectations),
            recall=ledger.verdicts, oldest=order.oldest,
        )
        for gate in order.gates
    }  # fmt: skip


def check_order(
    order: Order, *, current: Snapshot | None, ledger: Ledger
) -> dict[str, GateReport]:
    """Check everything that an order must fulfil before its repository is replaced.

    :param current: what the repository is now.
    :returns: by gate, what let it open.
    :raises PromotionRefused: when an item has not passed, a version would go backwards, or a
        published version would get a second content.
    """
    reports = _check_gates(order, ledger=ledger)
    _check_versions(order, current)
    _check_contents(order, ledger=ledger)
    return reports


def check_previous(order: Order, current: Snapshot | None) -> None:
    """See that a repository still holds what an order was made from.

    For callers that hold the repository's lock: otherwise two orders that keep parts of the same
    state could replace it one after the other, and the second would undo the first.

    :param current: what the repository is now.
    :raises PromotionRefused: when it holds something else.
    """
    if order.expected_previous not in (None, current.id if current else ""):
        raise PromotionRefused(
            f"Somebody else has published to {order.repository} while this run went on.",
            hint="Run the same command again: it starts from what is there now.",
        )


def check_released_to(workspace: Workspace, repository: str) -> None:
    """See that a repository is one that builds are released to.

    One that takes over what another holds changes by promotion only, and nothing else uses its
    key.

    :raises InputError: when it takes over from another, or does not exist.
    """
    source = workspace.repository(repository).promoted_from
    if source:
        raise InputError(
            f"{repository} takes over what {source} holds; it is not released to.",
            hint=f"pytest --release {source} --promote {repository}",
        )


def claims_of(order: Order) -> list[Claim]:
    """Give what the repository will claim: one content for each name and version."""
    return [
        Claim(entry.name, entry.version, entry.architecture, entry.sha256, order.repository)
        for entry in order.content.entries
    ]


def _check_gates(order: Order, *, ledger: Ledger) -> dict[str, GateReport]:
    reports = judge_order(order, ledger=ledger)
    shut = {gate: report for gate, report in reports.items() if not report.opened}
    if shut:
        whole = GateReport(tuple(item for report in reports.values() for item in report.items))
        names = " and ".join(shut)
        raise PromotionRefused(
            f"{order.repository} may not be replaced, because the {names} "
            f"{'gate has' if len(shut) == 1 else 'gates have'} not opened: {whole.why}",
            details="\n".join(whole.lines(limit=_SHOWN)),
            hint="Mend what failed and release the candidate again; what has passed on the same "
            "digests is not tried again.",
        )
    return reports


def _check_versions(order: Order, current: Snapshot | None) -> None:
    found = find_backwards(order.content.entries, held=current.entries if current else ())
    if found:
        raise PromotionRefused(
            f"{order.repository} may not be replaced, because {found[0]}.",
            details=_cut([str(one) for one in found]),
            hint="Give the package a higher version in its changelog, and build it again. To "
            f"return to an earlier state on purpose: farm rollback {order.repository}",
        )


def _check_contents(order: Order, *, ledger: Ledger) -> None:
    found = ledger.conflicts(claims_of(order))
    if found:
        raise PromotionRefused(
            f"{order.repository} may not be replaced, because {found[0]}.",
            details=_cut([str(one) for one in found]),
            hint="Give the package a higher version in its changelog, and build it again.",
        )


def _cut(lines: Sequence[str]) -> str:
    rest = len(lines) - _SHOWN
    return "\n".join([*lines[:_SHOWN], *([f"… and {rest} more"] if rest > 0 else [])])
