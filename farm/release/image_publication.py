"""Floor 5: images of what a repository holds: asked for, or because it has changed."""

from __future__ import annotations

from collections.abc import Sequence

from farm.base.errors import FarmError, InputError
from farm.config.choices import ImageFormat
from farm.model.target import Target
from farm.release.image_sets import ImageSet, publish
from farm.release.images import Images
from farm.release.order import Outcome
from farm.release.wishes import machine_identity
from farm.release.workshop import Workshop


def publish_images(
    workshop: Workshop, repository: str, kinds: Sequence[ImageFormat], *,
    targets: Sequence[Target] = (),
) -> ImageSet:  # fmt: skip
    """Make images of what a repository holds, boot and check each, and put them beside it.

    :param targets: empty for all.
    :raises InputError: when no format is known, or it holds nothing, or nothing for a target.
    :raises FarmError: when an image cannot be made, or is not as it should be.
    """
    configured = workshop.workspace.repository(repository)
    if not kinds:
        raise InputError(
            f"farm.toml names no images of {repository}.",
            hint=f"Say which: farm image {repository} --format {ImageFormat.QCOW2}",
        )
    snapshot = workshop.snapshots.current(repository)
    if snapshot is None:
        raise InputError(
            f"{repository} holds nothing yet, so there is nothing to make an image of.",
            hint="Release something first: pytest --release REPOSITORY",
        )
    candidate = workshop.offered(snapshot)
    missing = [str(each) for each in targets if each not in candidate.targets]
    if missing:
        raise InputError(f"{repository} holds nothing for {missing[0]}.",
                         hint=f"It has {', '.join(map(str, candidate.targets))}.")  # fmt: skip
    identity = machine_identity(workshop.workspace)
    images = Images(workshop.machines, workshop.layout, identity=identity, tell=workshop.tell)
    with workshop.snapshots.using(snapshot):
        made = [
            images.ensure(workshop.subject(candidate, target), kind, url=configured.url)
            for target in targets or candidate.targets for kind in kinds
        ]  # fmt: skip
        return publish(made, snapshot, workspace=workshop.workspace.name,
                       key=workshop.key(repository), layout=workshop.layout)  # fmt: skip


def follow_with_images(workshop: Workshop, outcome: Outcome) -> ImageSet | None:
    """Publish the images that farm.toml asks for, when a repository has changed.

    :returns: None when it asks for none, or nothing has changed.
    :raises FarmError: when one cannot be made; the repository keeps what it holds now.
    """
    kinds = workshop.workspace.repository(outcome.repository).images
    if not kinds or not outcome.changed:
        return None
    try:
        return publish_images(workshop, outcome.repository, kinds)
    except FarmError as error:
        error.hint = (f"{outcome.repository} holds {outcome.snapshot.id} already; its images are "
                      f"the former ones. {error.hint}")  # fmt: skip
        raise
