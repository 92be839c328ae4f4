from __future__ import annotations

from datetime import UTC, datetime

import pytest

from farm.model.verdict import State
from farm.release.audited_gates import GateAudit, audit_gates
from farm.report.receipt import Gate, Input, Item, Predicate, Who
from farm.report.records import Kind

NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
BUILD = "build/build[sipsak@bookworm-amd64]"
HOWTO = "howto/howtos/sipsak.md::howto[sipsak@bookworm-amd64]"


def item(name: str, *, digest: str = "candidate", state: State = State.PASSED) -> Item:
    return Item(
        id=name, digest=digest, state=state, reason="", inputs="", seconds=1, when=NOW, run="r"
    )


def judge(
    name: str, *items: Item, required: int | None = None, target: str = "bookworm-amd64",
    former: str = "",
) -> GateAudit:  # fmt: skip
    gate = Gate(required=len(items) if required is None else required, items=items)
    unit = Input(package="sipsak", target=target, source="s", version="1", key="key")
    said = Predicate(
        workspace="w", repository="r", kind=Kind.PROMOTE, candidate="candidate", snapshot="s",
        previous="", when=NOW, who=Who(login="alice", key="K"), farm="0.1",
        targets=(target,), inputs=(unit,), gates={name: gate}, former=former,
    )  # fmt: skip
    (found,) = audit_gates(said, require=())
    return found


def test_a_gate_is_open_when_the_receipt_has_all_that_its_packages_require() -> None:
    assert judge("build", item(BUILD, digest="key")).opened
    assert judge("howto", item(HOWTO)).opened


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (judge("build", item(BUILD, digest="key", state=State.FAILED)), f"{BUILD}: failed"),
        (judge("build", item(BUILD, digest="key", state=State.WAIVED)), f"{BUILD}: waived"),
        (judge("build", item(BUILD, digest="other")), f"{BUILD}: missing"),
        (judge("build", item("build/other", digest="key")), f"{BUILD}: missing"),
        (judge("build", item(BUILD, digest="key"), required=2), "1 of 2 items are recorded"),
        (judge("build", *[item(BUILD, digest="key")] * 2), "named twice"),
        (judge("build"), "missing"),
        (judge("build", item(BUILD, digest="key"), target="?"), "is not a target"),
        (judge("howto", item(HOWTO, digest="older")), "the HOWTO of sipsak@bookworm-amd64: miss"),
        (judge("install"), "install/installs[bookworm-amd64]: missing"),
        (judge("our-own-suite"), "0 of 0 items are recorded"),
    ],
    ids=[
        "failed",
        "waived",
        "digest",
        "item",
        "count",
        "twice",
        "none",
        "target",
        "howto",
        "machine",
        "own",
    ],
)
def test_it_counts_as_shut_otherwise(found: GateAudit, told: str) -> None:
    assert not found.opened
    assert told in found.problem
    assert found.lines()[0].startswith(f"gate {found.name}: shut")


UPGRADE = [item(f"upgrade/{name}[bookworm-amd64]") for name in ("upgrades", "back")]
UPGRADED = item("upgrade/howtos/sipsak.md::howto[sipsak@bookworm-amd64]")


def test_howtos_are_tried_on_an_upgraded_machine_where_there_was_something_to_upgrade() -> None:
    assert judge("upgrade", *UPGRADE).opened, "users had nothing: it is their first release"
    told = judge("upgrade", *UPGRADE, former="older").problem
    assert "the HOWTO of sipsak@bookworm-amd64: missing" in told
    assert judge("upgrade", *UPGRADE, UPGRADED, former="older").opened


def test_gates_of_others_are_taken_by_their_items() -> None:
    assert judge("our-own-suite", item("our-own-suite/calls")).opened
