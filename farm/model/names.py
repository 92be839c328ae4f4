"""Floor 1: which names, versions and architectures are accepted, before any reaches a path."""

from __future__ import annotations

import re

from farm.base.errors import InputError

# Debian Policy 5.6.1 (Source), 5.6.7 (Package): lower case letters, digits, + - . ; at least two.
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
# Debian Policy 5.6.12: [epoch:]upstream_version[-debian_revision].
_VERSION = re.compile(r"(?:[0-9]+:)?[0-9][A-Za-z0-9.+~-]*")
# dpkg-architecture(1): names such as amd64, kfreebsd-amd64, all.
_ARCHITECTURE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_REPOSITORY = re.compile(r"[a-z0-9][a-z0-9._-]*(?:/[a-z0-9][a-z0-9._-]*)?")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_:%-]*")


def _check(kind: str, pattern: re.Pattern[str], text: str, form: str) -> str:
    if len(text) > 255 or not pattern.fullmatch(text) or ".." in text:
        raise InputError(f"{text!r} is not a {kind}: {form}.")
    return text


def check_package(text: str) -> str:
    """Give back a package name that Debian Policy 5.6.1 allows.

    :raises InputError: for any other text.
    """
    form = "lower case letters, digits, '+', '-' and '.', at least two characters"
    return _check("package name", _PACKAGE, text, form)


def check_version(text: str) -> str:
    """Give back a version that Debian Policy 5.6.12 allows.

    :raises InputError: for any other text.
    """
    return _check("version", _VERSION, text, "[epoch:]upstream[-revision], beginning with a digit")


def check_architecture(text: str) -> str:
    """Give back an architecture name of the form that dpkg uses.

    :raises InputError: for any other text.
    """
    return _check("architecture", _ARCHITECTURE, text, "for instance amd64 or all")


def check_repository(text: str) -> str:
    """Give back a repository name: ``rc``, ``production``, ``private/alice``.

    :raises InputError: for any other text.
    """
    form = "lower case letters, digits, '.', '_' and '-', with at most one '/'"
    return _check("repository name", _REPOSITORY, text, form)


def check_file(text: str) -> str:
    """Give back the bare name of a file that a package index may mention.

    :raises InputError: for anything with a path separator, a leading dot or white space.
    """
    return _check("file name", _FILE, text, "a bare name without '/' or white space")
