"""Floor 2: a source package as the archive's index describes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from debian.deb822 import Sources
from debian.debian_support import Version

from farm.base.errors import InputError, SourceError
from farm.model.names import check_file, check_package, check_version


@dataclass(frozen=True)
class SourceFile:
    """A file that an index or a ``.dsc`` promises; ``size`` is in bytes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class SourceRecord:
    """One paragraph of a ``Sources`` index.

    :param directory: of the files, below the archive's base address.
    """

    name: str
    version: str
    directory: str
    files: tuple[SourceFile, ...]

    @property
    def dsc(self) -> SourceFile:
        """The ``.dsc`` among the files."""
        return next(file for file in self.files if file.name.endswith(".dsc"))

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON can hold it."""
        files = [[file.name, file.sha256, file.size] for file in self.files]
        return {
            "name": self.name,
            "version": self.version,
            "directory": self.directory,
            "files": files,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> SourceRecord:
        """Read back what :meth:`as_json` gave."""
        files = tuple(SourceFile(*file) for file in value["files"])
        return cls(value["name"], value["version"], value["directory"], files)


def read_records(text: str) -> Iterator[SourceRecord]:
    """Read the source records that ``apt-cache showsrc`` printed.

    Those that the archive keeps only because a binary package was built with them
    (``Extra-Source-Only``) are left out.

    :raises SourceError: for a record that lacks the SHA-256 of its files.
    """
    for fields in Sources.iter_paragraphs(text.splitlines(keepends=True), use_apt_pkg=False):
        if "Package" in fields and fields.get("Extra-Source-Only", "no") != "yes":
            yield _record(fields)


def _record(fields: Sources) -> SourceRecord:
    name = check_package(fields["Package"])
    version = check_version(fields["Version"])
    files = read_checksums(fields, what=f"the archive's record of {name} {version}")
    if sum(file.name.endswith(".dsc") for file in files) != 1:
        raise SourceError(f"The archive's record of {name} {version} does not name one .dsc file.")
    return SourceRecord(name, version, fields.get("Directory", ""), files)


def read_checksums(fields: Any, *, what: str) -> tuple[SourceFile, ...]:
    """Read the ``Checksums-Sha256`` field, which Debian Policy 5.6.24 asks for.

    :param what: whose field it is, for messages.
    :raises SourceError: when it is missing, or names something that is not a bare file name.
    """
    entries = fields.get("Checksums-Sha256")
    if not entries or not isinstance(entries, list):
        raise SourceError(
            f"There is no Checksums-Sha256 field in {what}, so its files cannot be trusted."
        )
    files = tuple(_file(entry, what=what) for entry in entries)
    if len({file.name for file in files}) != len(files):
        raise SourceError(f"A file is named twice in the Checksums-Sha256 field of {what}.")
    return files


def _file(entry: dict[str, str], *, what: str) -> SourceFile:
    name, sha256, size = (entry.get(key) or "" for key in ("name", "sha256", "size"))
    hexadecimal = len(sha256) == 64 and set(sha256) <= set("0123456789abcdef")
    if not hexadecimal or not (size.isascii() and size.isdecimal()):
        raise SourceError(
            f"The line of {name!r} in the Checksums-Sha256 field of {what} cannot be read."
        )
    try:
        return SourceFile(check_file(name), sha256, int(size))
    except InputError as error:
        raise SourceError(f"A file named in {what} cannot be fetched: {error.brief}") from error


def newest(records: Iterable[SourceRecord]) -> SourceRecord | None:
    """Pick the highest version, as Debian Policy 5.6.12 orders them."""
    return max(records, key=lambda record: Version(record.version), default=None)
