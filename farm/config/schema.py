"""Floor 1: the tables of farm.toml, key by key, each value checked by itself.

What needs more than one value is checked in
:mod:`farm.config.crosschecks`.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StrictInt

from farm.base.errors import InputError
from farm.config.choices import Dependencies, ImageFormat, Lintian, RebuildOn
from farm.config.values import (
    Duration,
    PathText,
    Size,
    Table,
    Timeout,
    Word,
    choice,
    distinct,
    form,
    some,
    text,
)
from farm.model.gates import Gate

HOST_MIRROR = "host"


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


def _read_url(value: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+(/[!-Z\\^-~]*)?", value):
        raise InputError(f"{value!r} is no address of a repository: it begins with https://.")
    if "@" in value:
        raise InputError("an address that everybody reads must not contain a password.")
    return value.rstrip("/")


_Name = Annotated[str, form("a name", r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}",
                             "letters, digits, '.' and '-', at most 64")]  # fmt: skip
# sources.list(5): suites may have a slash, as in bookworm/updates.
_Suite = Annotated[str, form("the name of a suite or component", r"[a-z0-9][A-Za-z0-9._/+-]*",
                              "such as bookworm-updates or main")]  # fmt: skip
# Debian Policy 4.9.1: words, some with a value: nocheck, parallel=4.
_Option = Annotated[str, form("a build option", r"[a-z0-9][A-Za-z0-9+._,=-]*",
                               "one word, such as nocheck")]  # fmt: skip
# The build profile specification: cross, nocheck, pkg.NAME.WORD.
_Profile = Annotated[str, form("a build profile", r"[a-z0-9][a-z0-9+.-]*",
                                "one word, such as nodoc")]  # fmt: skip
_Gate = Annotated[Gate, choice(Gate)]


class WorkspaceTable(Table):
    """The table ``[workspace]``."""

    name: _Name
    mirror: Annotated[str, text(_read_mirror)] = HOST_MIRROR
    state: PathText = ".farm"
    refresh: Duration = timedelta(days=1)


class TargetTable(Table):
    """A table ``[target.DISTRIBUTION-ARCHITECTURE]``."""

    components: Annotated[tuple[_Suite, ...], AfterValidator(some)] = ("main",)
    suites: Annotated[tuple[_Suite, ...], AfterValidator(some)] | None = None


class PolicyTable(Table):
    """The table ``[policy]``."""

    dependencies: Annotated[Dependencies, choice(Dependencies)] = Dependencies.EXACT
    lintian: Annotated[Lintian, choice(Lintian)] = Lintian.ERROR
    rebuild_on: Annotated[RebuildOn, choice(RebuildOn)] = RebuildOn.FARM
    build_timeout: Timeout = timedelta(hours=1)
    build_disk: Size = 10 * 2**30
    build_log: Size = 64 * 2**20


class RepositoryTable(Table):
    """A table ``[repository.NAME]``."""

    gates: Annotated[tuple[_Gate, ...], AfterValidator(distinct)] = (Gate.BUILD, Gate.REPOSITORY)
    promoted_from: Word | None = Field(default=None, alias="from")
    keep: StrictInt = Field(default=3, ge=0, le=1000)
    key: Annotated[str, text(_read_fingerprint)] | None = None
    images: Annotated[tuple[Annotated[ImageFormat, choice(ImageFormat)], ...],
                      AfterValidator(distinct)] = ()  # fmt: skip
    url: Annotated[str, text(_read_url)] | None = None


class PackageTable(Table):
    """A table ``[package.NAME]``."""

    debian: Word | None = None
    dsc: PathText | None = None
    sha256: Annotated[str, text(_read_sha256)] | None = None
    folder: PathText | None = None
    targets: Annotated[tuple[Word, ...], AfterValidator(some)] | None = None
    build_options: tuple[_Option, ...] = ()
    build_profiles: tuple[_Profile, ...] = ()
    timeout: Timeout | None = None
    lintian: Annotated[Lintian, choice(Lintian)] | None = None
