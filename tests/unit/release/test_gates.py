from __future__ import annotations

from pathlib import Path

import pytest

from farm.base.errors import FarmFault, InputError
from farm.model.target import Target
from farm.release.gates import (
    HowtoFile,
    Plan,
    Unit,
    known_gates,
    recall_expectations,
    required_items,
)
from farm.report.ledger import Ledger

BOOKWORM = Target("bookworm", "amd64")
TRIXIE = Target("trixie", "amd64")
SIPSAK = Unit("sipsak", BOOKWORM)
PROSE = HowtoFile(SIPSAK, "howtos/sipsak.md", "prose-digest")
BLOCK = "howto/sipsak.md::block 1[sipsak@bookworm-amd64]"


def plan(*units: Unit, howtos: tuple[HowtoFile, ...] = (PROSE,)) -> Plan:
    return Plan("candidate", units, {unit: f"key-of-{unit}" for unit in units}, howtos)


def test_gates_open_in_this_order() -> None:
    assert known_gates() == ["build", "repository", "lifecycle", "howto", "install", "upgrade"]


def test_an_unknown_gate_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(InputError) as caught:
        required_items("instal", plan=plan(SIPSAK), expectations={})
    assert caught.value.hint == "Gates are: build, repository, lifecycle, howto, install, upgrade."


def test_the_build_gate_requires_every_package_on_every_target() -> None:
    units = (SIPSAK, Unit("libre", BOOKWORM), Unit("libre", TRIXIE))
    found = required_items("build", plan=plan(*units), expectations={})
    assert [(r.item, r.digest) for r in found] == [
        ("build/build[libre@bookworm-amd64]", "key-of-libre@bookworm-amd64"),
        ("build/build[libre@trixie-amd64]", "key-of-libre@trixie-amd64"),
        ("build/build[sipsak@bookworm-amd64]", "key-of-sipsak@bookworm-amd64"),
    ]


def test_the_repository_gate_looks_at_targets_and_packages() -> None:
    found = required_items("repository", plan=plan(SIPSAK), expectations={})
    subject = "sipsak@bookworm-amd64"
    assert {r.item: r.digest for r in found} == {
        "repository/signatures[bookworm-amd64]": "candidate",
        "repository/contents[bookworm-amd64]": "candidate",
        f"repository/installable[{subject}]": "candidate",
        f"repository/dependencies[{subject}]": "candidate",
        f"repository/versions[{subject}]": "candidate",
        f"repository/lint[{subject}]": f"key-of-{subject}",
        f"repository/howto[{subject}]": "candidate",
    }
    assert not any(r.problem for r in found)


def test_a_build_that_nobody_knows_cannot_have_passed() -> None:
    (found,) = required_items("build", plan=Plan("candidate", (SIPSAK,), {}), expectations={})
    assert found.problem == "no build of sipsak@bookworm-amd64 is known"


def test_a_policy_is_part_of_what_is_required() -> None:
    strict = Plan("candidate", (SIPSAK,), {SIPSAK: "key"}, (PROSE,), {"repository/lint": "strict"})
    found = required_items("repository", plan=strict, expectations={})
    assert {r.item: r.inputs for r in found if r.inputs} == {
        "repository/lint[sipsak@bookworm-amd64]": "strict"
    }


def test_the_howto_gate_requires_every_item_of_every_file() -> None:
    code = HowtoFile(SIPSAK, "howtos/sipsak/test_sip.py", "code-digest")
    item = "howto/sipsak/test_sip.py::test_version[sipsak@bookworm-amd64]"
    found = required_items(
        "howto", plan=plan(SIPSAK, howtos=(code, PROSE)),
        expectations={("howto", PROSE.source): [BLOCK], ("howto", code.source): [item]},
    )  # fmt: skip
    assert [(r.item, r.digest, r.inputs, r.problem) for r in found] == [
        (BLOCK, "candidate", "prose-digest", ""),
        (item, "candidate", "code-digest", ""),
    ]


def test_a_package_without_howto_shuts_both_gates() -> None:
    said = ("sipsak has no HOWTO for a chroot: neither howtos/sipsak.md nor "
            "howtos/sipsak/test_*.py")  # fmt: skip
    for gate in ("repository", "howto"):
        found = required_items(gate, plan=plan(SIPSAK, howtos=()), expectations={})
        assert [r.problem for r in found if r.problem] == [said]


def test_a_howto_for_machines_is_asked_for_on_machines_and_is_not_enough_alone() -> None:
    service = HowtoFile(SIPSAK, "howtos/sipsak_on_machine.md", "d2")
    known = {
        ("howto", PROSE.source): ["howto/a"], ("install", PROSE.source): ["install/a"],
        ("install", service.source): ["install/service"],
    }  # fmt: skip
    both = plan(SIPSAK, howtos=(PROSE, service))
    assert [r.item for r in required_items("howto", plan=both, expectations=known)] == ["howto/a"]
    on_machine = [r.item for r in required_items("install", plan=both, expectations=known)]
    assert on_machine[-2:] == ["install/a", "install/service"]
    alone = required_items("howto", plan=plan(SIPSAK, howtos=(service,)), expectations=known)
    assert next(r.problem for r in alone).startswith("sipsak has no HOWTO for a chroot")


def test_an_upgrade_is_asked_for_howtos_before_it_and_after_it() -> None:
    before, after = (f"upgrade/{each}howtos/sipsak.md::howto" for each in ("before/", ""))
    inputs = {"install/installs": "+machine", "upgrade/upgrades": "+upgrade"}
    known = {("upgrade", PROSE.source): [before, after]}

    def asked(former: str) -> list[tuple[str, str, str]]:
        one = Plan("candidate", (SIPSAK,), {}, (PROSE,), inputs, former)
        found = required_items("upgrade", plan=one, expectations=known)
        return [(r.item, r.digest, r.inputs) for r in found if "howtos" in r.item]

    assert asked("older") == [
        (before, "older", "prose-digest+machine"), (after, "candidate", "prose-digest+upgrade"),
    ]  # fmt: skip
    assert asked("") == [], "users have nothing"


def test_the_howto_of_another_target_is_not_enough() -> None:
    units = (SIPSAK, Unit("sipsak", TRIXIE))
    known = {("howto", PROSE.source): [BLOCK]}
    found = required_items("howto", plan=plan(*units), expectations=known)
    assert [r.item for r in found if r.problem] == ["howto/howtos/sipsak[sipsak@trixie-amd64]"]


@pytest.mark.parametrize(
    ("expectations", "problem"),
    [
        ({}, "howtos/sipsak.md has never been collected completely as it is now"),
        ({("howto", PROSE.source): []}, "howtos/sipsak.md has nothing to try"),
    ],
    ids=["never-collected", "empty"],
)
def test_a_howto_without_known_items_cannot_have_passed(
    expectations: dict[tuple[str, str], list[str]], problem: str
) -> None:
    (found,) = required_items("howto", plan=plan(SIPSAK), expectations=expectations)
    assert found.problem == problem


def test_one_name_for_two_items_is_a_fault() -> None:
    other = HowtoFile(Unit("sipsak", TRIXIE), "howtos/sipsak.md", "prose-digest")
    with pytest.raises(FarmFault, match="have the same name"):
        required_items(
            "howto", plan=plan(SIPSAK, other.unit, howtos=(PROSE, other)),
            expectations={("howto", each.source): [BLOCK] for each in (PROSE, other)},
        )  # fmt: skip


def test_expectations_are_of_the_file_as_it_is_now(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.expect(PROSE.digest, gate="howto", source=PROSE.source, items=[BLOCK])
    edited = HowtoFile(SIPSAK, PROSE.path, "edited-digest")
    assert recall_expectations(ledger, [PROSE]) == {("howto", PROSE.source): (BLOCK,)}
    assert recall_expectations(ledger, [edited]) == {}
    ledger.close()


def test_a_machine_is_looked_at_as_a_whole_and_tried_by_every_howto() -> None:
    on_machine = "install/sipsak.md::howto[sipsak@bookworm-amd64]"
    known = {("install", PROSE.source): [on_machine]}
    wanted = Plan("candidate", (SIPSAK,), {SIPSAK: "key"}, (PROSE,), {"install/installs": "4GiB"})
    found = {r.item: r for r in required_items("install", plan=wanted, expectations=known)}
    assert "install/installs[bookworm-amd64]" in found
    assert found[on_machine].inputs == "prose-digest4GiB"
    assert not any(requirement.problem for requirement in found.values())


def test_a_howto_that_was_tried_in_a_chroot_only_shuts_the_gate_of_machines() -> None:
    known = {("howto", PROSE.source): [BLOCK]}
    found = required_items("install", plan=plan(SIPSAK), expectations=known)
    assert [r.problem for r in found if r.problem] == [
        "howtos/sipsak.md has never been collected completely as it is now"
    ]
