"""Floor 1: a HOWTO in prose: Markdown whose console blocks show that a package works.

Sybil finds the blocks, :mod:`farm.model.transcript` reads them. ``docs/howtos.md`` tells writers
of HOWTOs the rules that are kept here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePath

from sybil import Document, Region
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

from farm.base.errors import InputError
from farm.model.durations import parse_duration
from farm.model.names import check_package
from farm.model.transcript import Step, parse_transcript

ON_MACHINE = "_on_machine"
"""Ends the name of a file whose HOWTO is tried on machines only: no package's name has ``_``."""

TIMEOUT = timedelta(seconds=60)
"""How long a command of a HOWTO may take, unless the HOWTO says otherwise."""

_COMMENT = re.compile(r"^[ \t]*<!--(?P<comment>.*?)-->", re.MULTILINE | re.DOTALL)
_SETTING = re.compile(r"\s*farm(?:\s*:|\s+(?=\w+\s*=))(?P<setting>.*)", re.DOTALL)
_CONSOLE = re.compile(r"^[ \t]*(?:(?:[>*+-]|\d+[.)])[ \t]*)*(?:`{3,}|~{3,})[ \t]*console\b", re.M)
_FENCES = RawFencedCodeBlockLexer(re.compile(r"[ \t]*(?P<language>[^\s`]*)[^\n]*(?:\n|\Z)"))


def needs_machine(path: PurePath) -> bool:
    """Say whether a HOWTO is tried on machines only, which have systemd."""
    return path.stem.endswith(ON_MACHINE)


@dataclass(frozen=True)
class Howto:
    """What a HOWTO says.

    :param install: Debian packages that the reader needs beside the package itself.
    :param timeout: of each command.
    """

    steps: tuple[Step, ...]
    install: tuple[str, ...] = ()
    timeout: timedelta = TIMEOUT


def parse_howto(text: str, *, path: str) -> Howto:
    """Read the text of a HOWTO.

    :param path: of its file, for messages.
    :raises InputError: for a mistake in it, or when nothing in it can be run.
    """
    document = Document(text, path)
    for region in _find_blocks(document):
        document.add(region)
    _check_found(document)
    steps: list[Step] = []
    settings: dict[str, str] = {}
    for example in document.examples():
        lexemes = example.region.lexemes
        setting = _SETTING.fullmatch(str(lexemes.get("comment", "")))
        if setting:
            _read_setting(setting["setting"], settings, where=f"{path}:{example.line}")
        elif lexemes.get("language") == "console":
            steps += parse_transcript(str(lexemes["source"]), path=path, line=example.line + 1)
    if not steps:
        raise InputError(
            f"{path} has no console block with a command, so it shows nothing about its package.",
            hint="Write what a reader shall type between a line '```console' and a line '```'.",
        )
    timeout = parse_duration(settings["timeout"]) if "timeout" in settings else TIMEOUT
    return Howto(tuple(steps), tuple(_names(settings.get("install", ""))), timeout)


def _find_blocks(document: Document) -> Iterator[Region]:
    """Parse for Sybil: code blocks and comments, none of which stands inside another."""
    found = [
        Region(match.start(), match.end(), lexemes=match.groupdict())
        for match in _COMMENT.finditer(document.text)
    ]
    end = 0
    for region in sorted([*found, *_FENCES(document)], key=lambda region: region.start):
        if region.start >= end:
            yield region
            end = region.end


def _check_found(document: Document) -> None:
    """Refuse a console block that a reader sees, but that was not found or has no end."""
    regions = [region for _, region in document.regions]
    for match in _CONSOLE.finditer(document.text):
        around = next((r for r in regions if r.start <= match.start() < r.end), None)
        line = document.text.count("\n", 0, match.start()) + 1
        if around is None:
            raise InputError(
                f"{document.path}:{line}: This console block is not told from what is above it.",
                hint="Look above for a code block without an end, or one inside a comment.",
            )
        text = document.text[around.start : around.end].rstrip()
        if around.start == match.start() and not text.endswith(("```", "~~~")):
            raise InputError(f"{document.path}:{line}: This console block has no end.")


def _read_setting(text: str, settings: dict[str, str], *, where: str) -> None:
    key, _, value = (part.strip() for part in text.partition("="))
    checks = {"install": _names, "timeout": parse_duration}
    if key not in checks or not value:
        near = difflib.get_close_matches(key, checks, n=1)
        raise InputError(
            f"{where}: {text.strip()!r} is no setting of a HOWTO.",
            hint=f"Did you mean {near[0]}=...?" if near else "There are install= and timeout=.",
        )
    if key in settings:
        raise InputError(f"{where}: {key}= is given a second time.")
    try:
        checks[key](value)
    except InputError as error:
        raise InputError(f"{where}: {error.brief}", hint=error.hint) from error
    settings[key] = value


def _names(text: str) -> list[str]:
    return [check_package(name.strip()) for name in text.split(",")] if text else []
