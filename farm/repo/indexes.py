"""Floor 4: the texts of a Debian repository's indexes, read and rewritten."""

from __future__ import annotations

import email.utils
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from debian import deb822

from farm.base.errors import AuditFailed, InputError
from farm.repo.content import BINARY, SOURCE, Entry, Piece

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CODENAME = re.compile(r"[a-z0-9][a-z0-9.+_-]*")
_DATE = re.compile(r"^Date:.*$", re.MULTILINE)
COMPONENT = "main"


@dataclass(frozen=True)
class Release:
    """A ``Release`` file: what it says of the distribution, and the indexes that it vouches for.

    :param files: path below the distribution's folder to SHA-256 and size.
    """

    codename: str
    suite: str
    origin: str
    label: str
    date: datetime
    architectures: tuple[str, ...]
    components: tuple[str, ...]
    by_hash: bool
    files: Mapping[str, tuple[str, int]]


@dataclass(frozen=True)
class Listed:
    """One paragraph of ``Packages`` or ``Sources``.

    :param entry: what it is, with the bare names of its files.
    :param paths: where its files lie below the root, in the order of ``entry.pieces``.
    :param fields: the whole paragraph.
    """

    entry: Entry
    paths: tuple[str, ...]
    fields: Mapping[str, str]


def pool_folder(source: str) -> str:
    """Give the pool folder of a source package, as reprepro and the Debian archive name it."""
    prefix = source[:4] if source.startswith("lib") and len(source) > 3 else source[:1]
    return f"pool/{COMPONENT}/{prefix}/{source}"


def check_codename(text: str) -> str:
    """Give back the name of a distribution that can be a folder below ``dists``.

    :raises InputError: for any other text.
    """
    if not _CODENAME.fullmatch(text) or ".." in text or len(text) > 100:
        raise InputError(f"{text!r} is not the name of a distribution.")
    return text


def check_path(text: str) -> str:
    """Give back a relative path that stays below where it starts.

    :raises InputError: for an absolute path, an address, and anything with ``..`` in it.
    """
    parts = text.split("/")
    odd = not text or not text.isprintable() or any(letter in text for letter in "\\?#: ")
    if odd or any(part in ("", ".", "..") for part in parts):
        raise InputError(f"{text[:200]!r} is not the name of a file of a repository.")
    return text


def format_date(date: datetime) -> str:
    """Write a date as ``Release`` files do, in UTC."""
    return f"{date.astimezone(UTC):%a, %d %b %Y %H:%M:%S} +0000"


def redate(release: str, date: datetime) -> str:
    """Give the text of a ``Release`` file with another date, and nothing else changed.

    :raises InputError: when it has no date.
    """
    text, count = _DATE.subn(f"Date: {format_date(date)}", release, count=1)
    if not count:
        raise InputError("The Release file has no date.")
    return text


def read_date(text: str) -> datetime:
    """Read the date of a ``Release`` or ``InRelease`` file.

    :raises AuditFailed: when it has none.
    """
    found = _DATE.search(text)
    try:
        date = email.utils.parsedate_to_datetime(found[0].partition(":")[2] if found else "")
    except ValueError as error:
        raise AuditFailed("A Release file has no date.") from error
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def parse_release(text: str) -> Release:
    """Read a ``Release`` file: Debian's RepositoryFormat.

    :raises AuditFailed: when a field that the farm relies on is missing or wrong.
    """
    fields = deb822.Release(text.splitlines())
    try:
        files = {
            check_path(one["name"]): (one["sha256"], int(one["size"])) for one in fields["SHA256"]
        }
        release = Release(
            codename=check_codename(fields["Codename"]),
            suite=fields.get("Suite", ""),
            origin=fields.get("Origin", ""),
            label=fields.get("Label", ""),
            date=read_date(text),
            architectures=tuple(fields["Architectures"].split()),
            components=tuple(fields["Components"].split()),
            by_hash=fields.get("Acquire-By-Hash", "no") == "yes",
            files=files,
        )
    except (KeyError, ValueError, InputError) as error:
        raise AuditFailed(f"A Release file is not complete: {error}.") from error
    if not all(_SHA256.fullmatch(sha256) and size >= 0 for sha256, size in files.values()):
        raise AuditFailed(f"The Release file of {release.codename} has a wrong checksum.")
    return release


def by_hash_path(name: str, sha256: str) -> str:
    """Give the path by which apt asks for an index of exactly these bytes."""
    return str(PurePosixPath(name).parent / "by-hash" / "SHA256" / sha256)


def parse_packages(text: str, *, distribution: str) -> Iterator[Listed]:
    """Read a ``Packages`` file: Debian's RepositoryFormat.

    :raises AuditFailed: for a paragraph without what apt needs, or with a path that leads away.
    """
    for paragraph in deb822.Packages.iter_paragraphs(text.splitlines(), use_apt_pkg=False):
        fields = {str(name): str(paragraph[name]) for name in paragraph}
        try:
            path = check_path(fields["Filename"])
            piece = Piece(path.rpartition("/")[2], _sum(fields["SHA256"]), int(fields["Size"]))
            named = (fields["Package"], fields["Version"], fields["Architecture"])
        except (KeyError, ValueError, InputError) as error:
            raise _incomplete("Packages", distribution, fields, error) from error
        yield Listed(Entry(distribution, BINARY, *named, (piece,)), (path,), fields)


def parse_sources(text: str, *, distribution: str) -> Iterator[Listed]:
    """Read a ``Sources`` file: Debian's RepositoryFormat.

    :raises AuditFailed: for a paragraph without what apt needs, or with a path that leads away.
    """
    for paragraph in deb822.Sources.iter_paragraphs(text.splitlines(), use_apt_pkg=False):
        fields = {str(name): _text_of(paragraph[name]) for name in paragraph}
        try:
            pieces = tuple(
                Piece(one["name"], _sum(one["sha256"]), int(one["size"]))
                for one in sorted(
                    paragraph["Checksums-Sha256"],
                    key=lambda one: (not one["name"].endswith(".dsc"), one["name"]),
                )
            )
            paths = tuple(check_path(f"{fields['Directory']}/{one.name}") for one in pieces)
            named = (fields["Package"], fields["Version"], SOURCE)
            if not pieces:
                raise ValueError("no file")
        except (KeyError, ValueError, InputError) as error:
            raise _incomplete("Sources", distribution, fields, error) from error
        yield Listed(Entry(distribution, SOURCE, *named, pieces), paths, fields)


def is_index(name: str) -> bool:
    """Whether a file that a ``Release`` lists is an uncompressed ``Packages`` or ``Sources``."""
    return name.rpartition("/")[2] in ("Packages", "Sources")


def parse_index(name: str, text: str, *, distribution: str) -> Iterator[Listed]:
    """Read an index by its name, which ends in ``Packages`` or ``Sources``."""
    parse = parse_sources if name.endswith("Sources") else parse_packages
    return parse(text, distribution=distribution)


def files_listed(tree: Path) -> Iterator[str]:
    """Give the paths of a tree that a client may ask for who has read its ``Release`` files.

    These are the indexes by their hashes and the pool files; what the tree holds for the clients
    of former states is not among them.
    """
    for release_path in sorted(tree.glob("dists/*/Release")):
        folder = release_path.parent
        release = parse_release(release_path.read_text())
        for name, (sha256, _) in release.files.items():
            yield f"dists/{folder.name}/{by_hash_path(name, sha256)}"
            if is_index(name):
                text = (folder / name).read_text()
                for listed in parse_index(name, text, distribution=release.codename):
                    yield from listed.paths


def _sum(text: str) -> str:
    if not _SHA256.fullmatch(text):
        raise ValueError(f"{text[:100]!r} is no SHA-256")
    return text


def _text_of(value: object) -> str:
    if isinstance(value, str):
        return value
    rows = value if isinstance(value, list) else []
    return "\n".join(" ".join(str(cell) for cell in row.values()) for row in rows)


def _incomplete(
    index: str, distribution: str, fields: Mapping[str, str], error: Exception
) -> AuditFailed:
    name = fields.get("Package", "a package without name")
    reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    return AuditFailed(f"{index} of {distribution} is wrong about {name}: {reason}.")
