"""Floor 1: the tables of farm.toml, key by key, each value checked by itself.

What needs more than one value is checked in
:mod:`farm.config.crosschecks`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, StrictInt
from pydantic_core import PydanticCustomError

from farm.base.errors import InputError
from farm.config.choices import Dependencies, Lintian, RebuildOn
from farm.config.spelling import find_nearest
from farm.model.durations import parse_duration
from farm.model.gates import Gate
from farm.model.sizes import parse_size

_Value = TypeVar("_Value")
_Choice = TypeVar("_Choice", bound=StrEnum)

HOST_MIRROR = "host"


def _text(read: Callable[[str], _Value]) -> PlainValidator:
    """Make a validator of a function that reads text and raises InputError."""

    def validate(value: object) -> _Value:
        if not isinstance(value, str):
            raise PydanticCustomError("string_type", "text")
        try:
            return read(value)
        except InputError as error:
            raise PydanticCustomError("farm", "{problem}", {"problem": error.brief}) from None

    return PlainValidator(validate)


def _form(kind: str, pattern: str, form: str) -> PlainValidator:
    compiled = re.compile(pattern)

    def read(value: str) -> str:
        if not compiled.fullmatch(value) or ".." in value:
            raise InputError(f"{value!r} is not {kind}: {form}.")
        return value

    return _text(read)


def _choice(kind: type[_Choice]) -> PlainValidator:
    names = [str(member) for member in kind]

    def read(value: str) -> _Choice:
        if value in names:
            return kind(value)
        nearest = find_nearest(value, names)
        guess = f"; did you mean {nearest}?" if nearest else "."
        raise InputError(f"{value!r} is none of {', '.join(names)}{guess}")

    return _text(read)


def _read_mirror(value: str) -> str:
    try:
        address = urlsplit(value)
    except ValueError as error:
        raise InputError(f"{value!r} is not an address: {error}.") from None
    if address.password:
        raise InputError("it contains a password; apt_auth.conf(5) says where those belong.")
    whole = address.netloc if address.scheme in ("http", "https") else address.path[1:]
    known = address.scheme in ("http", "https", "file") and whole
    # Written into apt's sources: nothing there that would end the line or the field.
    if value != HOST_MIRROR and not (known and re.fullmatch(r"[!-Z\\^-~]+", value)):
        raise InputError(
            f'{value!r} is no mirror: write "{HOST_MIRROR}" for this machine\'s own, or an '
            "address that begins with http://, https:// or file:/."
        )
    return value


def _read_sha256(value: str) -> str:
    if not re.fullmatch(r"[0-9A-Fa-f]{64}", value):
        raise InputError(f"{value!r} is not a SHA-256 checksum: 64 hexadecimal digits.")
    return value.lower()


def _read_fingerprint(value: str) -> str:
    digits = value.replace(" ", "").upper()
    if not re.fullmatch(r"[0-9A-F]{40}", digits):
        raise InputError(
            f"{value!r} is not the fingerprint of an OpenPGP key: 40 hexadecimal digits, as "
            "'gpg --list-secret-keys' prints them."
        )
    return digits


def _read_path(value: str) -> str:
    if not value or not value.isprintable():
        raise InputError(f"{value!r} is not a path.")
    return value


def _positive(value: _Value) -> _Value:
    if not value:
        raise PydanticCustomError("farm", "must be more than nothing.")
    return value


def _distinct(values: tuple[_Value, ...]) -> tuple[_Value, ...]:
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice is not None:
        raise PydanticCustomError("farm", "names {value} twice.", {"value": str(twice)})
    return values


def _some(values: tuple[_Value, ...]) -> tuple[_Value, ...]:
    if not values:
        raise PydanticCustomError("farm", "must name at least one.")
    return _distinct(values)


_Duration = Annotated[timedelta, _text(parse_duration)]
_Timeout = Annotated[timedelta, _text(parse_duration), AfterValidator(_positive)]
_Size = Annotated[int, _text(parse_size), AfterValidator(_positive)]
_Path = Annotated[str, _text(_read_path)]
_Name = Annotated[str, _form("a name", r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}",
                             "letters, digits, '.' and '-', at most 64")]  # fmt: skip
# sources.list(5): suites may have a slash, as in bookworm/updates.
_Suite = Annotated[str, _form("the name of a suite or component", r"[a-z0-9][A-Za-z0-9._/+-]*",
                              "such as bookworm-updates or main")]  # fmt: skip
# Debian Policy 4.9.1: words, some with a value: nocheck, parallel=4.
_Option = Annotated[str, _form("a build option", r"[a-z0-9][A-Za-z0-9+._,=-]*",
                               "one word, such as nocheck")]  # fmt: skip
# The build profile specification: cross, nocheck, pkg.NAME.WORD.
_Profile = Annotated[str, _form("a build profile", r"[a-z0-9][a-z0-9+.-]*",
                                "one word, such as nodoc")]  # fmt: skip
_Gate = Annotated[Gate, _choice(Gate)]
_Word = Annotated[str, _text(str)]


class Table(BaseModel):
    """A table of farm.toml: no other keys than these."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class WorkspaceTable(Table):
    """The table ``[workspace]``."""

    name: _Name
    mirror: Annotated[str, _text(_read_mirror)] = HOST_MIRROR
    state: _Path = ".farm"
    refresh: _Duration = timedelta(days=1)


class TargetTable(Table):
    """A table ``[target.DISTRIBUTION-ARCHITECTURE]``."""

    components: Annotated[tuple[_Suite, ...], AfterValidator(_some)] = ("main",)
    suites: Annotated[tuple[_Suite, ...], AfterValidator(_some)] | None = None


class PolicyTable(Table):
    """The table ``[policy]``."""

    dependencies: Annotated[Dependencies, _choice(Dependencies)] = Dependencies.EXACT
    lintian: Annotated[Lintian, _choice(Lintian)] = Lintian.ERROR
    rebuild_on: Annotated[RebuildOn, _choice(RebuildOn)] = RebuildOn.FARM
    build_timeout: _Timeout = timedelta(hours=1)
    build_disk: _Size = 10 * 2**30
    build_log: _Size = 64 * 2**20


class RepositoryTable(Table):
    """A table ``[repository.NAME]``."""

    gates: Annotated[tuple[_Gate, ...], AfterValidator(_distinct)] = (Gate.BUILD, Gate.REPOSITORY)
    promoted_from: _Word | None = Field(default=None, alias="from")
    keep: StrictInt = Field(default=3, ge=0, le=1000)
    key: Annotated[str, _text(_read_fingerprint)] | None = None


class PackageTable(Table):
    """A table ``[package.NAME]``."""

    debian: _Word | None = None
    dsc: _Path | None = None
    sha256: Annotated[str, _text(_read_sha256)] | None = None
    folder: _Path | None = None
    targets: Annotated[tuple[_Word, ...], AfterValidator(_some)] | None = None
    build_options: tuple[_Option, ...] = ()
    build_profiles: tuple[_Profile, ...] = ()
    timeout: _Timeout | None = None
    lintian: Annotated[Lintian, _choice(Lintian)] | None = None
