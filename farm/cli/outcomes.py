"""Floor 7: what has become of a repository, as commands say it."""

from __future__ import annotations

from farm.cli.terminal import say, say_json
from farm.release.order import Outcome
from farm.release.workshop import Workshop


def say_outcome(outcome: Outcome, *, workshop: Workshop, as_json: bool) -> None:
    """Say what a repository holds now, and where the proof lies."""
    place = workshop.layout.repositories / outcome.repository
    if as_json:
        say_json({
            "repository": outcome.repository, "changed": outcome.changed,
            "snapshot": outcome.snapshot.id, "candidate": outcome.snapshot.digest,
            "previous": outcome.previous, "sentence": outcome.sentence,
            "receipt": str(outcome.receipt), "place": str(place),
        })  # fmt: skip
        return
    say(outcome.sentence, f"It is at {place}", f"Its receipt: {outcome.receipt}")
