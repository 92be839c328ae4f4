"""Floor 5: promotion, the only way by which a repository becomes another snapshot.

Publishing to ``dev`` or ``rc`` and promoting to ``production`` are the same act, done with the
same care.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

from farm.base.errors import AuditFailed, FarmFault, PromotionRefused
from farm.base.files import locked, sha256_of, write_atomically
from farm.release.conditions import check_order, check_previous, claims_of
from farm.release.judgement import GateReport
from farm.release.order import Desk, Order, Outcome, plan_of
from farm.repo.signing import Key
from farm.repo.state import Snapshot
from farm.report.ledger import Ledger
from farm.report.receipt import (
    RECEIPT,
    SIGNATURE,
    Input,
    Predicate,
    Who,
    build_receipt,
    gate_of,
    render_receipt,
)
from farm.report.records import Claim, Kind, Publication, Stage

_PATIENCE = timedelta(minutes=15)


def promote(order: Order, *, desk: Desk) -> Outcome:
    """Make a repository hold a content, if every gate that it asks for has opened for it.

    All is read anew under the repository's lock. What the repository serves changes in one
    rename(2) after everything else is on the disk; a process killed at any moment leaves the
    old state or the new one, and the next call completes what is missing.

    :raises PromotionRefused: when the repository no longer holds what the order expects, an item
        has not passed, a version would go backwards, or a published version would get a second
        content.
    :raises FarmFault: when a file of the new snapshot is missing or damaged.
    """
    with _at_desk(order.repository, desk):
        settle(order.repository, desk=desk)
        current = desk.snapshots.current(order.repository)
        check_previous(order, current)
        held = _already_held(order, current, desk=desk)
        if held:
            return held
        reports = check_order(order, current=current, ledger=desk.ledger)
        desk.step("checked")
        key = order.key()
        made = _make(order, current, key=key, desk=desk)
        desk.step("made")
        with desk.snapshots.using(made):
            return _publish(order, made, current, reports=reports, key=key, desk=desk)


def rollback(repository: str, *, desk: Desk) -> Outcome:
    """Let a repository point back to the state before the present one.

    Versions may go backwards here. A call that completes a rollback whose process was killed
    does not go back once more.

    :raises InputError: when there is no earlier state.
    """
    with _at_desk(repository, desk):
        completed = settle(repository, desk=desk)
        current = desk.snapshots.current(repository)
        if current and completed and completed[-1].kind is Kind.ROLLBACK:
            return _went_back(completed[-1], current)
        target = desk.snapshots.rollback_target(repository)
        publication = Publication(
            repository, target.id, target.digest, desk.who, _receipt_of(target, desk.ledger),
            Kind.ROLLBACK, desk.now(), current.id if current else "",
        )  # fmt: skip
        _switch(publication, target, claims=(), desk=desk)
        return _went_back(publication, target)


def settle(repository: str, *, desk: Desk) -> list[Publication]:
    """Complete or abandon the publications of a repository whose processes were killed.

    For callers that hold the repository's lock, as :func:`promote` and :func:`rollback` do.

    :returns: those that were completed.
    """
    current = desk.snapshots.current(repository)
    completed = []
    for begun in desk.ledger.publications(repository, stage=Stage.BEGUN):
        if current and current.id == begun.snapshot:
            desk.ledger.complete_publication(begun.number)
            completed.append(begun)
        else:
            desk.ledger.abandon_publication(begun.number)
    return completed


def _at_desk(repository: str, desk: Desk) -> AbstractContextManager[float]:
    path = desk.locks / f"publication-{repository.replace('/', '+')}.lock"
    return locked(path, timeout=_PATIENCE, what=f"the publication of {repository}")


def _already_held(order: Order, current: Snapshot | None, *, desk: Desk) -> Outcome | None:
    if current is None or current.digest != order.content.digest:
        return None
    if order.key().fingerprint != current.fingerprint:
        return None  # the key was changed: the same content is signed and published again
    return Outcome(
        order.repository, current, current.id, changed=False,
        sentence=f"{order.repository} already holds this snapshot, {current.id}.",
        receipt=Path(_receipt_of(current, desk.ledger)),
    )  # fmt: skip


def _make(order: Order, current: Snapshot | None, *, key: Key, desk: Desk) -> Snapshot:
    made = desk.snapshots.ensure(
        order.content, repository=order.repository, origin=desk.workspace, key=key,
        keep_from=current,
    )  # fmt: skip
    if made.digest != order.content.digest:
        raise FarmFault(f"The snapshot {made.id} does not hold what it was made from.")
    return made


def _publish(
    order: Order,
    made: Snapshot,
    current: Snapshot | None,
    *,
    reports: Mapping[str, GateReport],
    key: Key,
    desk: Desk,
) -> Outcome:
    previous = current.id if current else ""
    files = desk.inspect(made, key=key)
    predicate = Predicate(
        workspace=desk.workspace, repository=order.repository, kind=order.kind,
        candidate=made.digest, snapshot=made.id, previous=previous, when=desk.now(),
        who=Who(login=desk.who, key=key.fingerprint), farm=desk.farm,
        targets=tuple(str(target) for target in plan_of(order).targets),
        inputs=tuple(_inputs(order)),
        gates={gate: gate_of(report.passed) for gate, report in reports.items()},
        former=order.former,
        attachments={name: sha256_of(path) for name, path in order.attachments.items()},
    )  # fmt: skip
    receipt = _write_receipt(made, predicate, files=files, key=key, receipts=desk.receipts)
    for name, path in order.attachments.items():
        write_atomically(receipt.parent / name, path.read_bytes())
    desk.step("receipt")
    publication = Publication(
        order.repository, made.id, made.digest, desk.who, str(receipt), order.kind,
        predicate.when, previous,
    )  # fmt: skip
    _switch(publication, made, claims=claims_of(order), desk=desk)
    before = f"before, it held {previous}" if previous else "it is its first"
    return Outcome(
        order.repository, made, previous, changed=True, receipt=receipt,
        sentence=f"{order.repository} now holds {made.id}; {before}.",
    )  # fmt: skip


def _write_receipt(
    made: Snapshot, predicate: Predicate, *, files: Mapping[str, str], key: Key, receipts: Path
) -> Path:
    """Sign the receipt in a folder of its own, then put both files beside the indexes.

    The snapshot is not served yet, so nobody sees one without the other.
    """
    folder = receipts / made.repository.replace("/", "+")
    kept = folder / f"{predicate.when:%Y%m%dT%H%M%SZ}-{made.id}"
    write_atomically(kept / RECEIPT, render_receipt(build_receipt(predicate, files=files)))
    key.detach_sign(kept / RECEIPT, kept / SIGNATURE)
    for name in (RECEIPT, SIGNATURE):
        write_atomically(made.path / name, (kept / name).read_bytes())
    return kept / RECEIPT


def _inputs(order: Order) -> list[Input]:
    return [
        Input(
            package=build.package, target=str(build.target), source=build.source.digest,
            version=build.version, key=build.key,
        )
        for build in order.content.builds
    ]  # fmt: skip


def _switch(
    publication: Publication, snapshot: Snapshot, *, claims: Sequence[Claim], desk: Desk
) -> None:
    try:
        number = desk.ledger.begin_publication(publication, claims=claims)
    except AuditFailed as error:  # another repository was quicker
        raise PromotionRefused(error.brief, details=error.details, hint=error.hint) from error
    desk.step("begun")
    try:
        back = publication.kind is Kind.ROLLBACK
        desk.snapshots.switch(publication.repository, snapshot, back=back)
    except BaseException:
        settle(publication.repository, desk=desk)
        raise
    desk.step("switched")
    desk.ledger.complete_publication(number)
    desk.step("recorded")


def _receipt_of(snapshot: Snapshot, ledger: Ledger) -> str:
    """Give the path of the receipt with which a snapshot was published last."""
    published = ledger.publications(snapshot.repository)
    known = [one.receipt for one in published if one.snapshot == snapshot.id]
    return known[-1] if known else str(snapshot.path / RECEIPT)


def _went_back(publication: Publication, snapshot: Snapshot) -> Outcome:
    return Outcome(
        publication.repository, snapshot, publication.previous, changed=True,
        sentence=f"{publication.repository} went back from {publication.previous} to "
        f"{snapshot.id}.",
        receipt=Path(publication.receipt),
    )  # fmt: skip
