"""Floor 5: the candidate, the content that a repository shall have, as a signed snapshot."""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from farm.build.aptview import AptView, Extra
from farm.model.artifact import BinaryPackage, Build
from farm.model.layout import Layout
from farm.model.relations import depended_names
from farm.model.target import Target
from farm.release.gates import Unit
from farm.repo.snapshot import Snapshot
from farm.source.archive import Archive


@dataclass(frozen=True)
class Candidate:
    """A snapshot and the builds that are in it.

    :param keyring: a file with the public key that signed the snapshot.
    :param label: of the repository, by which apt can prefer it.
    """

    snapshot: Snapshot
    builds: Mapping[Unit, Build]
    keyring: Path
    label: str

    @property
    def digest(self) -> str:
        """The digest of its content, whoever signs it."""
        return self.snapshot.digest

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """Every package on every target."""
        return tuple(sorted(self.builds))

    @property
    def targets(self) -> tuple[Target, ...]:
        """Every target, each once."""
        return tuple(sorted({unit.target for unit in self.units}))

    def binaries(self, target: Target) -> dict[str, BinaryPackage]:
        """Every binary package for one target, by name."""
        builds = [build for unit, build in self.builds.items() if unit.target == target]
        return {each.name: each for build in builds for each in build.binaries}

    def find_missing(self, unit: Unit, missing: Mapping[str, str]) -> str:
        """Look whether a unit depends, directly or not, on a package that the candidate lacks.

        :param missing: binary packages that did not build, and what each is to be blamed on.
        :returns: what is to be blamed, or nothing.
        """
        binaries = self.binaries(unit.target)
        build = self.builds.get(unit)
        todo = [each.name for each in build.binaries] if build else []
        seen: set[str] = set()
        while todo:
            name = todo.pop()
            if name in missing:
                return missing[name]
            if name in binaries and name not in seen:
                seen.add(name)
                todo += _depended(binaries[name], unit.target)
        return ""

    def stanza(self, target: Target, *, tree: str, keyring: str) -> str:
        """Write the entry of sources.list(5) for the candidate, in its deb822 form.

        :param tree: the path of the repository, where apt runs.
        :param keyring: the path of the keyring, where apt runs, or the key itself.
        """
        return (
            f"Types: deb\nURIs: file:{quote(tree)}\nSuites: {target.distribution}\n"
            f"Components: main\nSigned-By: {keyring}\n"
        )

    def view(self, layout: Layout, *, archive: Archive, status: Path) -> AptView:
        """Let apt look at the candidate beside the distribution's archive, verifying both.

        :raises FarmFault: when apt refuses the candidate's signature or indexes.
        """
        stanza = self.stanza(archive.target, tree=str(self.snapshot.path),
                             keyring=_embed(self.keyring.read_bytes()))  # fmt: skip
        extra = Extra(stanza, self.label, self.snapshot.id)
        return AptView(layout, archive=archive, status=status, extra=extra)


def _embed(keyring: bytes) -> str:
    """Write a keyring as the value of ``Signed-By``: sources.list(5).

    A path would be taken for several where it holds a space or a comma.
    """
    text = "\n ".join(textwrap.wrap(base64.b64encode(keyring).decode(), 64))
    block = "PGP PUBLIC KEY BLOCK-----"
    return f"\n -----BEGIN {block}\n .\n {text}\n -----END {block}"


def merge(builds: Iterable[Build]) -> dict[Unit, Build]:
    """Key builds by unit; a later one of the same unit replaces the earlier."""
    return {Unit(build.package, build.target): build for build in builds}


def _depended(binary: BinaryPackage, target: Target) -> set[str]:
    fields = [binary.field(name) for name in ("Pre-Depends", "Depends")]
    text = ", ".join(field for field in fields if field)
    return depended_names(text, architecture=target.architecture, profiles=())
