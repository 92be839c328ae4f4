from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from farm.base.errors import InputError
from farm.model.verdict import State, Verdict
from farm.report.receipt import (
    Input,
    Predicate,
    Who,
    build_receipt,
    gate_of,
    read_receipt,
    render_receipt,
)
from farm.report.records import Kind

NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
ITEM = "build/build[sipsak@bookworm-amd64]"
FILES = {"dists/bookworm/InRelease": "1" * 64, "pool/main/s/sipsak_1.0_amd64.deb": "2" * 64}


def predicate() -> Predicate:
    passed = Verdict(ITEM, "build", State.PASSED, "", "key", "", 2.5, NOW, "run-1")
    return Predicate(
        workspace="ipbx", repository="production", kind=Kind.PROMOTE, candidate="c" * 64,
        snapshot="2024-1", previous="", when=NOW, who=Who(login="alice", key="F" * 40), farm="0.1",
        targets=("bookworm-amd64",), gates={"build": gate_of([passed])},
        inputs=(Input(package="sipsak", target="bookworm-amd64", source="s" * 64, version="1.0",
                      key="key"),),
    )  # fmt: skip


def statement() -> dict[str, Any]:
    return copy.deepcopy(build_receipt(predicate(), files=FILES))


def read(value: object) -> None:
    read_receipt(json.dumps(value).encode())


def test_a_receipt_is_an_in_toto_statement() -> None:
    made = statement()
    assert made["_type"] == "https://in-toto.io/Statement/v1"
    assert made["predicateType"] == "urn:packaging-farm:receipt:v1"
    assert made["subject"][0] == {
        "name": "dists/bookworm/InRelease",
        "digest": {"sha256": "1" * 64},
    }
    assert made["predicate"]["when"] == "2024-05-01T12:00:00Z"
    assert made["predicate"]["gates"]["build"]["required"] == 1
    assert made["predicate"]["gates"]["build"]["items"][0]["state"] == "passed"


def test_what_is_written_is_read_back() -> None:
    receipt = read_receipt(render_receipt(statement()).encode())
    assert receipt.predicate == predicate()
    assert receipt.files == FILES


def test_equal_receipts_have_equal_bytes() -> None:
    other = build_receipt(predicate(), files=dict(reversed(FILES.items())))
    assert render_receipt(other) == render_receipt(statement())


def test_fields_of_a_later_farm_are_passed_over() -> None:
    made = statement()
    made["predicate"]["approvals"] = ["bob"]
    read(made)


def test_a_receipt_of_another_kind_is_refused() -> None:
    made = statement() | {"predicateType": "https://slsa.dev/provenance/v1"}
    with pytest.raises(InputError, match=r"not one that this farm understands") as caught:
        read(made)
    assert "predicateType: Input should be 'urn:packaging-farm:receipt:v1'" in str(caught.value)


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        (["subject", 0, "name"], "../../etc/passwd", "leads out of the repository"),
        (["subject", 0, "name"], "/etc/passwd", "subject.0.name"),
        (["subject", 0, "name"], "pool/a\nb", "subject.0.name"),
        (["subject", 0, "digest", "sha256"], "2" * 63, "subject.0.digest.sha256"),
        (["subject"], {}, "subject"),
        (["predicate", "when"], "2024-05-01T12:00:00+02:00", "not in UTC"),
        (["predicate", "when"], "2024-05-01T12:00:00", "predicate.when"),
        (["predicate", "kind"], "gift", "predicate.kind"),
        (["predicate", "gates", "build", "required"], "1", "predicate.gates.build.required"),
        (["predicate", "gates", "build", "items", 0, "state"], "skipped", "items.0.state"),
        (["predicate", "gates", "build", "items", 0, "seconds"], -1, "items.0.seconds"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else None,
)
def test_a_field_at_fault_is_named(place: list[Any], value: object, told: str) -> None:
    made = statement()
    part = made
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    with pytest.raises(InputError) as caught:
        read(made)
    assert told in caught.value.details


def test_a_missing_field_is_named() -> None:
    made = statement()
    del made["predicate"]["candidate"]
    with pytest.raises(InputError) as caught:
        read(made)
    assert caught.value.details == "predicate.candidate: Field required"


def test_a_file_named_twice_is_refused() -> None:
    made = statement()
    made["subject"].append(made["subject"][0])
    with pytest.raises(InputError, match="names a file twice"):
        read(made)


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"null", b"1e999", b'"\xed\xa0\x80"'],
    ids=["empty", "bytes", "deep-list", "deep-object", "null", "number", "surrogate"],
)
def test_hostile_bytes_give_a_sentence(data: bytes) -> None:
    with pytest.raises(InputError, match="not one that this farm understands"):
        read_receipt(data)


def test_a_receipt_without_end_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.report.receipt.LIMIT", 100)
    with pytest.raises(InputError, match="more than 100 bytes"):
        read_receipt(b"{" + b" " * 100)


def test_names_from_the_file_do_not_reach_the_terminal_raw() -> None:
    made = statement()
    made["predicate"]["gates"] = {"\x1b[31m": {"required": "x", "items": []}}
    with pytest.raises(InputError) as caught:
        read(made)
    assert "\x1b" not in str(caught.value)
