"""docs/configuration.md is complete, and says the truth about defaults."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from farm.config.document import NAMED, SINGLE
from farm.config.values import Table
from farm.config.workspace import Workspace
from farm.model.gates import Gate

REFERENCE = (Path(__file__).parents[3] / "docs/configuration.md").read_text()
SECTIONS = {**SINGLE, **NAMED}


def chapter(section: str) -> str:
    match = re.search(rf"^## \[{section}[].].*?(?=^## |\Z)", REFERENCE, re.MULTILINE | re.DOTALL)
    assert match, f"no chapter about [{section}]"
    return match[0]


def rows(section: str) -> dict[str, str]:
    """The documented keys of a table, and their defaults."""
    table = chapter(section).split("| key | default | meaning |\n")[1].split("\n\n")[0]
    found = re.findall(r"^\| `(\w+)` \| (.*?) ?\| \S.*\|$", table, re.MULTILINE)
    return dict(found)


def default(model: type[Table], key: str) -> Any:
    (field,) = (f for name, f in model.model_fields.items() if (f.alias or name) == key)
    return "required" if field.is_required() else field.default


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_is_described_and_no_other(section: str) -> None:
    model = SECTIONS[section]
    known = [field.alias or name for name, field in model.model_fields.items()]
    assert list(rows(section)) == known


@pytest.mark.parametrize(
    ("section", "key"), [(section, key) for section in SECTIONS for key in rows(section)]
)
def test_every_default_is_the_real_one(section: str, key: str) -> None:
    documented = rows(section)[key]
    model = SECTIONS[section]
    if documented in ("", "required"):
        assert default(model, key) == (documented or None)
        return
    value = tomllib.loads(f"value = {documented.strip('`')}")["value"]
    required: dict[str, dict[str, Any]] = {
        "workspace": {"name": "x"}, "machine": {"packages": ["xx"]},
    }  # fmt: skip
    others = required.get(section, {})
    table = model.model_validate({**others, key: value}).model_dump(by_alias=True)
    assert table[key] == default(model, key)


def test_every_gate_is_described() -> None:
    table = chapter("repository").split("| gate | passed when |")[1]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(Gate)


def test_the_example_is_accepted(accept: Callable[..., Workspace]) -> None:
    (example,) = re.findall(r"^```toml\n(.*?)^```", REFERENCE, re.MULTILINE | re.DOTALL)
    assert accept(example, base="").package("sipsak").debian == "sipsak"
