"""Floor 1: mistakes in farm.toml, each with its dotted key, told all together."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import ErrorDetails

from farm.base.errors import ConfigError

# TOML, keys: letters, digits, _ and - stand without quotes.
_BARE = re.compile(r"[A-Za-z0-9_-]+")

Key = tuple[str | int, ...]
"""Where a value stands: the names of tables and keys, and positions in lists."""

_EXPECTED = {
    "string_type": "text in quotes",
    "tuple_type": "a list",
    "int_type": "a whole number",
    "model_type": "a table",
}


@dataclass(frozen=True)
class Mistake:
    """A mistake and where it is.

    :param problem: what is wrong, in a sentence of which the key is the subject or the opening.
    """

    key: Key
    problem: str

    def __str__(self) -> str:
        end = "" if self.problem.endswith(("?", ".")) else "."
        return f"{dotted(self.key)}: {self.problem}{end}"


def dotted(key: Key) -> str:
    """Write a key as the file would: ``package."python3.11".build_options[1]``."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            bare = part if _BARE.fullmatch(part) else json.dumps(part, ensure_ascii=False)
            text += f".{bare}" if text else bare
    return text


def describe(error: ErrorDetails) -> str:
    """Say in plain words what pydantic found wrong with a value."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in _EXPECTED:
        return f"must be {_EXPECTED[kind]}, not {name_type(error['input'])}"
    if kind == "missing":
        return "is missing"
    if kind == "greater_than_equal":
        return f"must be at least {context['ge']}"
    if kind == "less_than_equal":
        return f"must be at most {context['le']}"
    return error["msg"]


def name_type(value: Any) -> str:
    """Name the type of a value of TOML."""
    names = {
        bool: "true or false",
        int: "a whole number",
        float: "a fraction",
        str: "text",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), "a date or time")


def tell(mistakes: Sequence[Mistake] | Sequence[str], *, file: str) -> ConfigError:
    """Make one error of all mistakes in a file.

    :param file: its name, for people.
    """
    lines = [f"{file}: {mistake}" for mistake in _unique(mistakes)]
    if len(lines) == 1:
        return ConfigError(lines[0])
    return ConfigError(f"{file} has {len(lines)} mistakes.", details="\n".join(lines))


def _unique(mistakes: Iterable[Mistake | str]) -> list[str]:
    return list(dict.fromkeys(str(mistake) for mistake in mistakes))
