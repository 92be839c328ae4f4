"""Floor 4: a published repository, read and checked as a stranger would."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import lzma
import tempfile
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import IO

from farm.base.errors import AuditFailed, InputError
from farm.repo.content import Piece, digest_entries
from farm.repo.indexes import (
    Listed,
    Release,
    by_hash_path,
    check_codename,
    check_path,
    is_index,
    parse_index,
    parse_release,
)
from farm.repo.location import open_location
from farm.repo.signing import verify_clearsigned

_RELEASE_LIMIT = 4 << 20
_INDEX_LIMIT = 256 << 20
_PACKED = (".xz", ".gz", "")


class Reader:
    """Reads a repository at a path or address, and believes only what is signed.

    :param location: a path, or a ``file:``, ``http:`` or ``https:`` address.
    :param keyring: whose keys may have signed; None takes the key that lies in the repository,
        which proves that it is whole, but not whose it is: see :attr:`trust`.
    """

    def __init__(self, location: str | Path, keyring: Path | None) -> None:
        self._location = open_location(location)
        self._keyring = keyring
        self._releases: dict[str, tuple[Release, str]] = {}

    @property
    def trust(self) -> str:
        """``keyring``, or ``self`` when the repository vouches for itself."""
        return "keyring" if self._keyring else "self"

    @cached_property
    def about(self) -> dict[str, object]:
        """What ``repository.json`` says, which nobody signed: name, origin, distributions.

        :raises InputError: when there is none that can be read.
        """
        hint = "Is this a repository that the farm published?"
        try:
            value = json.loads(self._location.read("repository.json", limit=_RELEASE_LIMIT))
        except InputError as error:
            raise InputError(error.brief, hint=hint) from error
        except ValueError as error:
            raise InputError("repository.json is not JSON.", hint=hint) from error
        if not isinstance(value, dict):
            raise InputError("repository.json is not what the farm writes.", hint=hint)
        return value

    def codenames(self) -> tuple[str, ...]:
        """Give the distributions: of a path those that are there, else those it speaks of.

        :raises InputError: when nothing says which there are.
        """
        names: Iterable[object] | None = self._location.folders("dists")
        if names is None:
            said = self.about.get("codenames")
            names = said if isinstance(said, list) else ()
        found = tuple(sorted({check_codename(str(name)) for name in names}))
        if not found:
            raise InputError(f"{self._location} is a repository without any distribution.")
        return found

    def release(self, codename: str) -> Release:
        """Give the ``Release`` of a distribution, verified from ``InRelease`` by gpgv.

        :raises InputError: when it is missing, or its signature is not good.
        :raises AuditFailed: when it is signed, but wrong.
        """
        return self._verified(codename)[0]

    def fingerprint(self, codename: str) -> str:
        """Give the fingerprint of the key that signed a distribution; raises as release does."""
        return self._verified(codename)[1]

    def packages(self, codename: str | None = None) -> tuple[Listed, ...]:
        """Give every paragraph of every index, of one distribution or of all, each file once.

        :raises AuditFailed: when an index is not what ``InRelease`` vouches for.
        """
        found = {}
        for name in [codename] if codename else self.codenames():
            release = self.release(name)
            for index in filter(is_index, sorted(release.files)):
                text = self._index(release, index)
                for listed in parse_index(index, text, distribution=release.codename):
                    found[listed.entry, listed.paths] = listed
        return tuple(found.values())

    def digest(self) -> str:
        """Give the digest of the content, as the signed indexes tell it.

        Equal to :attr:`farm.repo.content.Content.digest` of what was published.
        """
        architectures = {name: self.release(name).architectures for name in self.codenames()}
        entries = [listed.entry for listed in self.packages()]
        return digest_entries(entries, architectures=architectures)

    def check_indexes(self) -> int:
        """Check every file that a ``Release`` lists, by name and by hash; give their number.

        :raises AuditFailed: when one is missing or differs; all are named in the details.
        """
        wanted = {}
        for codename in self.codenames():
            release = self.release(codename)
            for name, (sha256, size) in release.files.items():
                wanted[f"dists/{codename}/{name}"] = Piece(name, sha256, size)
                if release.by_hash:
                    path = f"dists/{codename}/{by_hash_path(name, sha256)}"
                    wanted[path] = Piece(name, sha256, size)
        return self._check(wanted, heads=False)

    def check_pool(self, listed: Iterable[Listed] | None = None, *, heads: bool = False) -> int:
        """Check size and SHA-256 of every file that the indexes name; give their number.

        :param listed: which, by default everything.
        :param heads: ask for the sizes only, and download nothing.
        :raises AuditFailed: when one is missing or differs; all are named in the details.
        """
        wanted: dict[str, Piece] = {}
        for one in self.packages() if listed is None else listed:
            for path, piece in zip(one.paths, one.entry.pieces, strict=True):
                if wanted.setdefault(path, piece).sha256 != piece.sha256:
                    raise AuditFailed(f"The indexes disagree about what {path} is.")
        return self._check(wanted, heads=heads)

    def fetch(self, name: str, *, limit: int = _INDEX_LIMIT) -> bytes:
        """Give the bytes of a file of the repository; nothing vouches for them.

        :raises InputError: for a name that is absolute, an address, or leads out; when it is
            missing, or larger than ``limit`` bytes.
        """
        return self._location.read(check_path(name), limit=limit)

    def _verified(self, codename: str) -> tuple[Release, str]:
        if codename not in self._releases:
            name = f"dists/{check_codename(codename)}/InRelease"
            with tempfile.TemporaryDirectory(prefix="farm-reader-") as folder:
                path = Path(folder) / "InRelease"
                path.write_bytes(self._location.read(name, limit=_RELEASE_LIMIT))
                fingerprint, text = verify_clearsigned(path, self._trusted(Path(folder)))
            release = parse_release(text.decode(errors="replace"))
            if release.codename != codename:
                raise AuditFailed(f"{name} is that of {release.codename}, not of {codename}.")
            self._releases[codename] = (release, fingerprint)
        return self._releases[codename]

    def _trusted(self, folder: Path) -> Path:
        if self._keyring:
            return self._keyring
        path = folder / "served.gpg"
        path.write_bytes(self.fetch(str(self.about.get("keyring", "")), limit=_RELEASE_LIMIT))
        return path

    def _index(self, release: Release, index: str) -> str:
        """Read the smallest form of an index, by its hash, and compare it all the way."""
        name = next(index + suffix for suffix in _PACKED if index + suffix in release.files)
        sha256, size = release.files[name]
        path = by_hash_path(name, sha256) if release.by_hash else name
        data = self._location.read(f"dists/{release.codename}/{path}", limit=_INDEX_LIMIT)
        _compare(f"dists/{release.codename}/{name}", data, sha256=sha256, size=size)
        plain_sum, plain_size = release.files[index]
        text = _unpack(name, data, limit=plain_size)
        _compare(f"dists/{release.codename}/{index}", text, sha256=plain_sum, size=plain_size)
        return text.decode(errors="replace")

    def _check(self, wanted: dict[str, Piece], *, heads: bool) -> int:
        wrong = [
            text
            for path, piece in wanted.items()
            if (text := self._wrong(path, piece, heads=heads))
        ]
        if wrong:
            more = f" and {len(wrong) - 1} more mistakes" if len(wrong) > 1 else ""
            raise AuditFailed(
                f"{self._location} is not whole: {wrong[0].rstrip('.')}{more}.",
                details="\n".join(wrong),
            )
        return len(wanted)

    def _wrong(self, path: str, piece: Piece, *, heads: bool) -> str:
        try:
            size = self._location.size(path)
            if size is not None and size != piece.size:
                return f"{path} has {size} bytes instead of {piece.size}."
            if heads and size is not None:
                return ""
            sha256, _ = self._location.sum(path, limit=piece.size)
        except InputError as error:
            return error.brief
        return "" if sha256 == piece.sha256 else f"{path} has another content than its index says."


def _compare(path: str, data: bytes, *, sha256: str, size: int) -> None:
    if len(data) != size or hashlib.sha256(data).hexdigest() != sha256:
        raise AuditFailed(f"{path} is not what InRelease vouches for.")


def _unpack(name: str, data: bytes, *, limit: int) -> bytes:
    """Unpack an index; never more than one byte beyond what it should have."""
    stream: IO[bytes] = io.BytesIO(data)
    try:
        if name.endswith(".xz"):
            return lzma.LZMAFile(stream).read(limit + 1)
        if name.endswith(".gz"):
            return gzip.GzipFile(fileobj=stream).read(limit + 1)
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise AuditFailed(f"{name} cannot be unpacked: {error}.") from error
    return data
