"""Floor 5: the files of a repository that its receipt speaks of."""

from __future__ import annotations

import tempfile
from pathlib import Path

from farm.base.errors import AuditFailed, FarmFault, InputError
from farm.repo.reader import Reader
from farm.repo.signing import Key
from farm.repo.state import Snapshot


def subjects_of(reader: Reader) -> dict[str, str]:
    """Give the SHA-256 of every file that the ``Release`` files lead to, by path.

    These are the indexes, and the packages and sources that they list. The ``Release`` files
    themselves are not among them: they get a new date and new signatures whenever a repository
    returns to a state, which changes nothing of what it holds. Nor are the files that a tree
    keeps for clients of former states.

    :raises InputError: when an index cannot be read, or its signature is not good.
    :raises AuditFailed: when an index is signed, but wrong.
    """
    files: dict[str, str] = {}
    for codename in reader.codenames():
        for name, (sha256, _) in reader.release(codename).files.items():
            files[f"dists/{codename}/{name}"] = sha256
    for listed in reader.packages():
        sums = (piece.sha256 for piece in listed.entry.pieces)
        files.update(zip(listed.paths, sums, strict=True))
    return files


def inspect(snapshot: Snapshot, *, key: Key) -> dict[str, str]:
    """Look at a snapshot as a stranger would, before it is served to any.

    :returns: see :func:`subjects_of`.
    :raises FarmFault: when a signature is not the key's, or any file is missing or damaged.
    """
    with tempfile.TemporaryDirectory(prefix="farm-inspect-") as folder:
        keyring = Path(folder) / "keyring.gpg"
        keyring.write_bytes(key.export())
        reader = Reader(snapshot.path, keyring)
        try:
            reader.check_indexes()
            reader.check_pool()
            if reader.digest() != snapshot.digest:
                raise AuditFailed(f"{snapshot.path} holds something else than it was made from.")
            return subjects_of(reader)
        except (InputError, AuditFailed) as error:
            raise FarmFault(
                f"The snapshot {snapshot.id} cannot be published: {error.brief}",
                details=error.details,
                hint=f"Look at the disk. Remove {snapshot.path.parent}, and run again: it is "
                "made anew.",
            ) from error
