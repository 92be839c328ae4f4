"""Floor 5: images put beside the repository that they were made of, with digests and a signature.

A set is a folder with images, ``SHA256SUMS`` (sha256sum(1)), its signature, and a receipt: an
in-toto statement (https://in-toto.io/Statement/v1) that says of which snapshot they were made and
what was looked at. Users see it through one link, which is replaced by rename(2).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from farm.base.files import (
    digest_of,
    link_or_copy,
    point_atomically,
    read_json,
    settle,
    sha256_of,
    temporary,
)
from farm.model.layout import Layout
from farm.release.images import Image
from farm.release.order import farm_version, login_name
from farm.repo.signing import Key
from farm.repo.state import Snapshot
from farm.report.receipt import RECEIPT, SIGNATURE, STATEMENT

SUMS = "SHA256SUMS"
PREDICATE = "urn:packaging-farm:images:v1"


@dataclass(frozen=True)
class ImageSet:
    """Images of one snapshot, published.

    :param place: where users find them.
    """

    place: Path
    files: tuple[str, ...]


def publish(
    images: Sequence[Image], snapshot: Snapshot, *, workspace: str, key: Key, layout: Layout
) -> ImageSet:
    """Publish images of what a repository holds; those of the same snapshot stay beside them.

    :param workspace: its name, with which the files are called.
    :raises FarmError: when they cannot be signed.
    """
    place = layout.published_images / snapshot.repository.replace("/", "+")
    stem = f"{workspace}-{snapshot.repository.replace('/', '-')}"
    files = {f"{stem}-{image.target}.{image.format}": image.path for image in images}
    about = {name: image.about for name, image in zip(files, images, strict=True)}
    known = _known(place, snapshot)
    about = {**known, **about}
    files = {**{name: place.resolve() / name for name in known}, **files}
    with temporary(layout.temporary, prefix="images-") as parent:
        made = parent / "made"
        made.mkdir()
        for name, path in files.items():
            link_or_copy(path, made / name)
        sums = {name: sha256_of(made / name) for name in sorted(files)}
        (made / SUMS).write_text("".join(f"{sums[name]}  {name}\n" for name in sums))
        statement = _statement(sums, about, snapshot, workspace=workspace, key=key)
        (made / RECEIPT).write_text(json.dumps(statement, indent=1, sort_keys=True) + "\n")
        key.detach_sign(made / SUMS, made / f"{SUMS}.asc")
        key.detach_sign(made / RECEIPT, made / SIGNATURE)
        folder = layout.image_sets / f"{snapshot.id}-{digest_of(sums)[:12]}"
        settle(made, folder)
    place.parent.mkdir(parents=True, exist_ok=True)
    point_atomically(place, folder)
    return ImageSet(place, tuple(sums))


def _known(place: Path, snapshot: Snapshot) -> dict[str, Any]:
    """Give what is known of the images there, if they are of the same snapshot."""
    try:
        predicate = read_json(place / RECEIPT)["predicate"]
    except FileNotFoundError:
        return {}
    same = predicate["snapshot"] == snapshot.id
    images: dict[str, Any] = predicate["images"] if same else {}
    return images


def _statement(
    sums: dict[str, str], about: dict[str, Any], snapshot: Snapshot, *, workspace: str, key: Key
) -> dict[str, Any]:
    subject = [{"name": name, "digest": {"sha256": digest}} for name, digest in sums.items()]
    return {
        "_type": STATEMENT, "predicateType": PREDICATE, "subject": subject,
        "predicate": {
            "workspace": workspace, "repository": snapshot.repository, "snapshot": snapshot.id,
            "candidate": snapshot.digest, "images": about, "farm": farm_version(),
            "who": {"login": login_name(), "key": key.fingerprint},
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    }  # fmt: skip
