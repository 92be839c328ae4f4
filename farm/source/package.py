"""Floor 2: what a Debian source package in a folder is: its ``.dsc`` and the files it names."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from debian.deb822 import Dsc

from farm.base.errors import InputError, SourceError
from farm.base.files import digest_of, sha256_of
from farm.model.artifact import SourcePackage, StoredFile
from farm.model.names import check_package, check_version
from farm.model.relations import is_concerned
from farm.source.records import SourceFile, read_checksums

_DEPENDS = ("Build-Depends", "Build-Depends-Indep", "Build-Depends-Arch")
_CONFLICTS = ("Build-Conflicts", "Build-Conflicts-Indep", "Build-Conflicts-Arch")


@dataclass(frozen=True)
class DeclaredBinary:
    """A binary package that a source package says it builds: a line of ``Package-List``.

    :param type: ``deb``, ``udeb``...
    :param architectures: ``all``, ``any``, ``linux-any``, ``amd64``...
    :param profiles: built when every term of any of these groups holds; no group at all: always.
    """

    name: str
    type: str
    section: str
    architectures: tuple[str, ...]
    profiles: tuple[tuple[str, ...], ...] = ()

    def is_built(self, *, architecture: str, profiles: Collection[str] = ()) -> bool:
        """Say whether a full build (binary and indep) on an architecture gives this package."""
        wanted = not self.profiles or any(
            all((term[0] != "!") == (term.lstrip("!") in profiles) for term in group)
            for group in self.profiles
        )
        return wanted and (
            "all" in self.architectures or is_concerned(architecture, names=self.architectures)
        )


@dataclass(frozen=True)
class Description:
    """What a ``.dsc`` says, checked for form: dsc(5).

    :param files: those that the ``.dsc`` names; itself is not among them.
    """

    name: str
    version: str
    files: tuple[SourceFile, ...]
    fields: Dsc


def read_dsc(path: Path) -> Description:
    """Read a ``.dsc``, signed or not; a signature is not looked at.

    :raises SourceError: when it is not one, or has no SHA-256 of its files.
    """
    try:
        fields = Dsc(path.read_bytes())
        missing = [key for key in ("Source", "Version", "Format") if key not in fields]
        if missing:
            raise SourceError(f"{path} is not a .dsc file: it has no field {missing[0]}.")
        name, version = check_package(fields["Source"]), check_version(fields["Version"])
    except SourceError:
        raise
    except (InputError, ValueError, EOFError) as error:
        raise SourceError(f"{path} is not a .dsc file: {error}") from error
    return Description(name, version, read_checksums(fields, what=path.name), fields)


def build_depends(dsc: Path) -> dict[str, str]:
    """Give the fields of a ``.dsc`` that say what a build needs and what it cannot stand.

    :returns: those that are there, by name (Debian Policy 7.7), as they are written.
    """
    fields = read_dsc(dsc).fields
    return {name: fields[name] for name in (*_DEPENDS, *_CONFLICTS) if name in fields}


def package_list(dsc: Path) -> tuple[DeclaredBinary, ...]:
    """Give the binary packages that a source package says it builds.

    A ``.dsc`` older than dpkg 1.16.9 has no ``Package-List``; then its ``Binary`` and
    ``Architecture`` fields have to do.
    """
    return _declared(read_dsc(dsc).fields)


def _declared(fields: Dsc) -> tuple[DeclaredBinary, ...]:
    lines = fields.get("Package-List")
    if isinstance(lines, list) and lines:
        return tuple(_declared_line(line) for line in lines)
    architectures = tuple(fields.get("Architecture", "any").split())
    names = fields.get("Binary", "").replace(",", " ").split()
    return tuple(
        DeclaredBinary(check_package(name), "deb", "unknown", architectures) for name in names
    )


def _declared_line(line: dict[str, str]) -> DeclaredBinary:
    """Read ``NAME TYPE SECTION PRIORITY arch=any profile=!cross,!nodoc+pkg.x.y``: dsc(5)."""
    more = dict(word.partition("=")[::2] for word in (line.get("_other") or "").split())
    groups = [group.split(",") for group in more.get("profile", "").split("+") if group]
    return DeclaredBinary(
        name=check_package(line.get("package", "")),
        type=line.get("package-type", "deb"),
        section=line.get("section", "unknown"),
        architectures=tuple(more.get("arch", "any").split(",")),
        profiles=tuple(tuple(group) for group in groups),
    )


def verify_file(path: Path, *, expected: SourceFile, of: str) -> None:
    """Check that a file is the one that an index or a ``.dsc`` names.

    :param of: whose file it is, for the message.
    :raises SourceError: when it is missing, or has another size or content.
    """
    if not path.is_file():
        raise SourceError(f"The file {expected.name} of {of} is missing.")
    found = sha256_of(path)
    if found != expected.sha256 or path.stat().st_size != expected.size:
        raise SourceError(
            f"The file {expected.name} of {of} is not the one that is named there.",
            details=f"SHA-256 expected: {expected.sha256} ({expected.size} bytes)\n"
            f"SHA-256 found:    {found} ({path.stat().st_size} bytes)",
        )


def read_source_package(folder: Path, *, origin: str = "") -> SourcePackage:
    """Read the source package that is all that a folder holds, and verify its files.

    :param origin: where it came from, for people.
    :raises SourceError: when there is not exactly one ``.dsc``, or a file is wrong, missing or
        too many.
    """
    found = sorted(folder.glob("*.dsc"))
    if len(found) != 1:
        raise SourceError(f"There are {len(found)} .dsc files in {folder}, and not one.")
    dsc = found[0]
    description = read_dsc(dsc)
    named = {dsc.name, *(file.name for file in description.files)}
    extra = sorted(path.name for path in folder.iterdir() if path.name not in named)
    if extra:
        raise SourceError(f"The file {extra[0]!r} in {folder} is not named by {dsc.name}.")
    for file in description.files:
        verify_file(folder / file.name, expected=file, of=dsc.name)
    stored_dsc = StoredFile(dsc.name, sha256_of(dsc), dsc.stat().st_size, dsc)
    files = tuple(
        StoredFile(file.name, file.sha256, file.size, folder / file.name)
        for file in description.files
    )
    return SourcePackage(
        name=description.name,
        version=description.version,
        digest=digest_of(sorted(file.identity for file in (stored_dsc, *files))),
        dsc=stored_dsc,
        files=files,
        binaries=tuple(binary.name for binary in _declared(description.fields)),
        origin=origin,
    )
