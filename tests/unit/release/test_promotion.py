"""Promotion over snapshots and a key that are fakes; ledger, locks and files are real."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from farm.base.errors import FarmFault, InputError, PromotionRefused
from farm.base.files import digest_of
from farm.model.artifact import BinaryPackage, Build, SourcePackage, StoredFile
from farm.model.target import Target
from farm.model.verdict import State, Verdict
from farm.release.conditions import judge_order
from farm.release.gates import HowtoFile, Unit
from farm.release.order import Desk, Order
from farm.release.promotion import promote, rollback
from farm.repo.content import Content
from farm.repo.signing import Key
from farm.repo.snapshot import Snapshots
from farm.repo.state import Snapshot
from farm.report.ledger import Ledger
from farm.report.receipt import RECEIPT, SIGNATURE, read_receipt
from farm.report.records import Claim, Kind, Publication, Stage

NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
UNIT = Unit("sipsak", Target("bookworm", "amd64"))
HOWTO = HowtoFile(UNIT, "howtos/sipsak.md", "howto-digest")
BLOCK = "howto/sipsak.md::block 1[sipsak@bookworm-amd64]"
GATES = ("build", "repository", "howto")
STEPS = ("checked", "made", "receipt", "begun", "switched", "recorded")


class Killed(BaseException):
    """Stands for the end of a process between two steps."""


class FakeKey:
    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint

    def detach_sign(self, path: Path, out: Path) -> None:
        out.write_text(
            f"{self.fingerprint} signed {hashlib.sha256(path.read_bytes()).hexdigest()}"
        )


class FakeSnapshots:
    """Snapshots whose trees are empty folders."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.made: dict[str, Snapshot] = {}
        self.pointers: dict[str, list[str]] = {}
        self.broken_switch = ""

    def ensure(
        self, content: Content, *, repository: str, origin: str, key: Key,
        keep_from: Snapshot | None,
    ) -> Snapshot:  # fmt: skip
        name = f"{repository}-{content.digest[:8]}-{key.fingerprint}"
        if name not in self.made:
            tree = self.root / name / "tree"
            tree.mkdir(parents=True)
            self.made[name] = Snapshot(
                name, content.digest, repository, tree, NOW, content.entries, key.fingerprint,
                own_key=True, keys=self.root, former=(),
            )  # fmt: skip
        return self.made[name]

    def current(self, repository: str) -> Snapshot | None:
        states = self.pointers.get(repository)
        return self.made[states[-1]] if states else None

    def switch(self, repository: str, snapshot: Snapshot, *, back: bool = False) -> None:
        if self.broken_switch:
            raise FarmFault(self.broken_switch)
        states = self.pointers.setdefault(repository, [])
        if back:
            states.pop()
        else:
            states.append(snapshot.id)

    def rollback_target(self, repository: str) -> Snapshot:
        states = self.pointers.get(repository, [])
        if len(states) < 2:
            raise InputError(f"Repository {repository!r} has no earlier state to return to.")
        return self.made[states[-2]]

    def using(self, snapshot: Snapshot) -> AbstractContextManager[Path]:
        return nullcontext(snapshot.path)


def look_at(snapshot: Snapshot, *, key: Key) -> dict[str, str]:
    if "2.0~rotten" in {entry.version for entry in snapshot.entries}:
        raise FarmFault(f"The snapshot {snapshot.id} cannot be published: bits have rotted.")
    return {f"pool/{entry.file}": entry.sha256 for entry in snapshot.entries}


class Bench:
    """A workspace with one package, and shortcuts to what tests do with it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ledger = Ledger(root / "ledger.sqlite")
        self.snapshots = FakeSnapshots(root / "snapshots")
        self.desk = Desk(
            "ipbx", cast("Snapshots", self.snapshots), self.ledger, root / "locks",
            root / "receipts", who="alice", farm="0.1",
            inspect=look_at, now=lambda: NOW,
        )  # fmt: skip
        self.ledger.expect(HOWTO.digest, gate="howto", source=HOWTO.source, items=[BLOCK])

    def build(self, version: str, *, text: str) -> Build:
        path = self.root / "nowhere"
        stored = StoredFile(f"sipsak_{version}_amd64.deb", digest_of(text), len(text), path)
        dsc = StoredFile(f"sipsak_{version}.dsc", digest_of(f"dsc {version}"), 1, path)
        source = SourcePackage("sipsak", version, "source", dsc, (), ("sipsak",), "a test")
        binary = BinaryPackage("sipsak", version, "amd64", stored, ())
        key = digest_of([version, text])
        return Build("sipsak", UNIT.target, key, source, (binary,), dsc, dsc, path, 1.0)

    def order(
        self, version: str = "1.0", *, repository: str = "production", text: str = "",
        key: str = "K1", gates: tuple[str, ...] = GATES,
    ) -> Order:  # fmt: skip
        content = Content("ipbx", (self.build(version, text=text or f"deb {version}"),))
        return Order(
            repository, content, gates, lambda: cast("Key", FakeKey(key)), howtos=(HOWTO,)
        )

    def pass_all(self, order: Order, *, but: str = "", state: State = State.FAILED) -> None:
        """Record that all has passed, but for items whose name contains a text."""
        for report in judge_order(order, ledger=self.ledger).values():
            for item in report.items:
                r = item.requirement
                ends = state if but and but in r.item else State.PASSED
                reason = "" if ends is State.PASSED else "it is so."
                self.ledger.record(
                    Verdict(r.item, r.gate, ends, reason, r.digest, r.inputs, 1, NOW, "run-1")
                )

    def publish(self, version: str, *, repository: str = "production") -> Snapshot:
        order = self.order(version, repository=repository)
        self.pass_all(order)
        return promote(order, desk=self.desk).snapshot

    def killed_after(self, step: str) -> Desk:
        def end(done: str) -> None:
            if done == step:
                raise Killed(step)

        return dataclasses.replace(self.desk, step=end)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.ledger.close()


def test_a_repository_is_replaced_when_everything_required_has_passed(bench: Bench) -> None:
    first = bench.publish("1.0")
    order = bench.order("1.1")
    bench.pass_all(order)
    outcome = promote(order, desk=bench.desk)
    assert bench.snapshots.current("production") == outcome.snapshot
    assert outcome.sentence == (
        f"production now holds {outcome.snapshot.id}; before, it held {first.id}."
    )
    (_, last) = bench.ledger.publications("production")
    assert (last.snapshot, last.previous, last.who) == (outcome.snapshot.id, first.id, "alice")


def test_the_receipt_says_what_was_checked_and_lies_beside_the_indexes(bench: Bench) -> None:
    order = bench.order()
    bench.pass_all(order)
    outcome = promote(order, desk=bench.desk)
    tree = outcome.snapshot.path
    receipt = read_receipt((tree / RECEIPT).read_bytes())
    assert (tree / RECEIPT).read_bytes() == outcome.receipt.read_bytes()
    assert (tree / SIGNATURE).read_text().startswith("K1 signed")
    assert set(receipt.files) == {"pool/sipsak_1.0.dsc", "pool/sipsak_1.0_amd64.deb"}
    said = receipt.predicate
    assert said.candidate == order.content.digest
    assert (said.who.login, said.who.key, said.kind) == ("alice", "K1", Kind.PROMOTE)
    assert {gate: part.required for gate, part in said.gates.items()} == {
        "build": 1, "repository": 7, "howto": 1,
    }  # fmt: skip
    assert said.inputs[0].key == order.content.builds[0].key


def test_how_machines_were_installed_is_kept_beside_the_receipt(
    bench: Bench, tmp_path: Path
) -> None:
    space = tmp_path / "config.tar.gz"
    space.write_text("a configuration space")
    order = dataclasses.replace(bench.order(), attachments={"machine-config.tar.gz": space})
    bench.pass_all(order)
    receipt = promote(order, desk=bench.desk).receipt
    kept = receipt.parent / "machine-config.tar.gz"
    assert kept.read_text() == "a configuration space"
    assert read_receipt(receipt.read_bytes()).predicate.attachments == {
        kept.name: hashlib.sha256(kept.read_bytes()).hexdigest()
    }


def test_a_second_identical_promotion_says_that_nothing_is_to_do(bench: Bench) -> None:
    first = bench.publish("1.0")
    again = promote(bench.order("1.0"), desk=bench.desk)
    assert not again.changed
    assert again.sentence == f"production already holds this snapshot, {first.id}."
    assert len(bench.ledger.publications()) == 1


def test_two_orders_made_from_the_same_state_do_not_undo_each_other(bench: Bench) -> None:
    first = bench.publish("1.0")
    theirs, ours = (
        dataclasses.replace(bench.order("1.1", text=text), expected_previous=first.id)
        for text in ("theirs", "ours")
    )
    bench.pass_all(theirs)
    bench.pass_all(ours)
    published = promote(theirs, desk=bench.desk).snapshot
    with pytest.raises(PromotionRefused, match="Somebody else has published to production") as no:
        promote(ours, desk=bench.desk)
    assert no.value.hint.startswith("Run the same command again")
    assert bench.snapshots.current("production") == published


def test_an_order_that_expects_an_empty_repository_is_refused_by_a_full_one(bench: Bench) -> None:
    order = dataclasses.replace(bench.order("1.0"), expected_previous="")
    bench.pass_all(order)
    assert promote(order, desk=bench.desk).changed
    with pytest.raises(PromotionRefused, match="while this run went on"):
        promote(order, desk=bench.desk)


def test_a_new_key_publishes_the_same_content_anew(bench: Bench) -> None:
    bench.publish("1.0")
    assert promote(bench.order("1.0", key="K2"), desk=bench.desk).changed


@pytest.mark.parametrize("state", [state for state in State if state is not State.PASSED])
def test_an_item_in_any_other_state_refuses(bench: Bench, state: State) -> None:
    order = bench.order()
    bench.pass_all(order, but="installable", state=state)
    with pytest.raises(PromotionRefused) as caught:
        promote(order, desk=bench.desk)
    item = "repository/installable[sipsak@bookworm-amd64]"
    assert caught.value.details == f"{item}: {state}: it is so"
    assert "the repository gate has not opened: 1 of 9" in caught.value.brief
    assert bench.snapshots.made == {}


def test_nothing_recorded_refuses(bench: Bench) -> None:
    with pytest.raises(PromotionRefused, match=r"9 of 9 required items .* \(9 missing\)"):
        promote(bench.order(), desk=bench.desk)


def test_what_passed_on_another_candidate_refuses(bench: Bench) -> None:
    bench.pass_all(bench.order("1.0"))
    with pytest.raises(PromotionRefused, match="nothing is recorded on exactly these digests"):
        promote(bench.order("1.1"), desk=bench.desk)


def test_a_failure_after_the_pass_refuses(bench: Bench) -> None:
    order = bench.order()
    bench.pass_all(order)
    bench.pass_all(order, but="howto/")
    with pytest.raises(PromotionRefused, match="1 failed"):
        promote(order, desk=bench.desk)


def test_a_howto_that_was_edited_since_refuses(bench: Bench) -> None:
    order = bench.order()
    bench.pass_all(order)
    edited = dataclasses.replace(HOWTO, digest="edited")
    with pytest.raises(PromotionRefused, match="never been collected completely as it is now"):
        promote(dataclasses.replace(order, howtos=(edited,)), desk=bench.desk)


def test_a_howto_that_was_deleted_refuses(bench: Bench) -> None:
    order = bench.order()
    bench.pass_all(order)
    with pytest.raises(PromotionRefused, match="has no HOWTO"):
        promote(dataclasses.replace(order, howtos=()), desk=bench.desk)


def test_a_version_that_goes_backwards_refuses(bench: Bench) -> None:
    bench.publish("1.1")
    order = bench.order("1.0")
    bench.pass_all(order)
    with pytest.raises(PromotionRefused, match=r"go back from 1\.1 to 1\.0"):
        promote(order, desk=bench.desk)


def test_a_second_content_for_a_published_version_refuses(bench: Bench) -> None:
    bench.publish("1.0", repository="dev")
    order = bench.order("1.0", text="something else")
    bench.pass_all(order)
    with pytest.raises(PromotionRefused, match=r"sipsak 1\.0 amd64 would have a second content"):
        promote(order, desk=bench.desk)
    assert [one.repository for one in bench.snapshots.made.values()] == ["dev"]  # nothing signed


def test_a_quicker_publication_of_another_content_refuses(bench: Bench) -> None:
    order = bench.order()
    bench.pass_all(order)

    def be_quicker(step: str) -> None:
        if step == "receipt":
            other = Publication("dev", "s", "d", "bob", "", Kind.PUBLISH, NOW)
            claim = Claim("sipsak", "1.0", "amd64", "f" * 64, "dev")
            bench.ledger.begin_publication(other, claims=[claim])

    with pytest.raises(PromotionRefused, match="already published"):
        promote(order, desk=dataclasses.replace(bench.desk, step=be_quicker))
    assert bench.snapshots.current("production") is None


def test_a_snapshot_that_is_not_whole_is_not_published(bench: Bench) -> None:
    bench.publish("1.0")
    order = bench.order("2.0~rotten")
    bench.pass_all(order)
    with pytest.raises(FarmFault, match="bits have rotted"):
        promote(order, desk=bench.desk)
    assert len(bench.ledger.publications()) == 1


def test_a_switch_that_fails_claims_nothing(bench: Bench) -> None:
    order = bench.order()
    bench.pass_all(order)
    bench.snapshots.broken_switch = "The disk is full."
    with pytest.raises(FarmFault, match="disk is full"):
        promote(order, desk=bench.desk)
    assert bench.ledger.publications(stage=Stage.BEGUN) == []


@pytest.mark.parametrize("step", STEPS)
def test_a_promotion_killed_after_any_step_is_completed_by_the_next(
    bench: Bench, step: str
) -> None:
    first = bench.publish("1.0")
    order = bench.order("1.1")
    bench.pass_all(order)
    with pytest.raises(Killed):
        promote(order, desk=bench.killed_after(step))
    held = bench.snapshots.current("production")
    assert held is not None
    assert (held.id == first.id) == (step not in ("switched", "recorded"))
    assert promote(order, desk=bench.desk).snapshot.digest == order.content.digest
    assert [one.digest for one in bench.ledger.publications("production")] == [
        first.digest, order.content.digest,
    ]  # fmt: skip
    assert bench.ledger.publications(stage=Stage.BEGUN) == []


def test_a_publication_killed_before_its_switch_claims_nothing_for_ever(bench: Bench) -> None:
    order = bench.order(text="never published")
    bench.pass_all(order)
    with pytest.raises(Killed):
        promote(order, desk=bench.killed_after("begun"))
    bench.publish("1.0")  # with another content: the first one never was anywhere


def test_a_rollback_says_from_what_to_what_and_is_recorded(bench: Bench) -> None:
    first, second = bench.publish("1.0"), bench.publish("1.1")
    outcome = rollback("production", desk=bench.desk)
    assert outcome.sentence == f"production went back from {second.id} to {first.id}."
    assert bench.snapshots.current("production") == first
    last = bench.ledger.publications("production")[-1]
    assert (last.kind, last.snapshot, last.previous) == (Kind.ROLLBACK, first.id, second.id)
    assert outcome.receipt.is_file()


def test_a_rollback_needs_an_earlier_state(bench: Bench) -> None:
    bench.publish("1.0")
    with pytest.raises(InputError, match="no earlier state"):
        rollback("production", desk=bench.desk)


@pytest.mark.parametrize("step", ["begun", "switched"])
def test_a_rollback_that_was_killed_goes_back_once(bench: Bench, step: str) -> None:
    for version in ("1.0", "1.1", "1.2"):
        bench.publish(version)
    with pytest.raises(Killed):
        rollback("production", desk=bench.killed_after(step))
    outcome = rollback("production", desk=bench.desk)
    assert [entry.version for entry in outcome.snapshot.entries] == ["1.1", "1.1"]
    assert bench.snapshots.current("production") == outcome.snapshot


def test_a_repository_without_gates_takes_a_content_unchecked(bench: Bench) -> None:
    order = bench.order(repository="private/alice", gates=())
    assert promote(order, desk=bench.desk).changed
