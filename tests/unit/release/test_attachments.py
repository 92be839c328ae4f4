"""How machines were installed is kept with every receipt of what was tried on them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from farm.base.files import sha256_of
from farm.model.layout import Layout
from farm.release.attachments import find_attachments
from farm.report.receipt import Predicate, Who, build_receipt, render_receipt
from farm.report.records import Kind

CANDIDATE = "c" * 64
NAME = "machine-bookworm-amd64-config.tar.gz"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def install(layout: Layout, text: str) -> None:
    folder = layout.installed / "bookworm-amd64-1"
    (folder / "configuration").mkdir(parents=True)
    (folder / "configuration/config.tar.gz").write_text(text)
    about = {"candidate": CANDIDATE, "target": "bookworm-amd64"}
    (folder / "about.json").write_text(json.dumps(about))


def publish(layout: Layout, text: str, *, candidate: str = CANDIDATE, to: str = "rc") -> Path:
    """Keep a receipt, with something beside it."""
    folder = layout.receipts / f"{to}/20240501T120000Z-{to}-{candidate[:16]}-1F3B57C2"
    folder.mkdir(parents=True)
    kept = folder / NAME
    kept.write_text(text)
    said = Predicate(
        workspace="w", repository="rc", kind=Kind.PUBLISH, candidate=candidate, snapshot="s",
        previous="", when=datetime(2024, 5, 1, 12, tzinfo=UTC), who=Who(login="a", key="K"),
        farm="0.1", targets=(), inputs=(), gates={}, attachments={NAME: sha256_of(kept)},
    )  # fmt: skip
    (folder / "receipt.json").write_text(render_receipt(build_receipt(said, files={})))
    return kept


def found(layout: Layout, *gates: str) -> dict[str, str]:
    paths = find_attachments(layout, CANDIDATE, gates=gates)
    return {name: path.read_text() for name, path in paths.items()}


def test_only_a_repository_that_asks_for_machines_keeps_how_they_were_made(layout: Layout) -> None:
    install(layout, "a space")
    assert found(layout, "build", "install") == {NAME: "a space"}
    assert found(layout, "build", "howto") == {}


def test_a_machine_that_was_cleared_away_is_told_of_by_a_former_receipt(layout: Layout) -> None:
    publish(layout, "a space")
    publish(layout, "of another", candidate="c" * 16 + "d" * 48, to="dev")
    assert found(layout, "install") == {NAME: "a space"}
    install(layout, "of the latest machine")
    assert found(layout, "install") == {NAME: "of the latest machine"}


def test_what_is_no_longer_what_the_receipt_says_is_not_taken_for_it(layout: Layout) -> None:
    publish(layout, "a space").write_text("something else")
    assert found(layout, "install") == {}
