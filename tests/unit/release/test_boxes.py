"""Which machines stay when something has failed on them, and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from farm.base.errors import FarmFault
from farm.config.settings import Machine
from farm.machine.hypervisor import Hypervisor
from farm.machine.running import Box, kept
from farm.model.layout import Layout
from farm.model.target import Target
from farm.release.boxes import Boxes

TARGET = Target("bookworm", "amd64")


class NoHypervisor:
    """Runs nothing."""

    def destroy(self, name: str) -> None:
        """There is nothing to end."""

    def screenshot(self, name: str, path: Path) -> None:
        raise FarmFault(f"{name} has no screen.")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


@pytest.fixture
def boxes(layout: Layout) -> Boxes:
    return Boxes(layout, hypervisor=cast(Hypervisor, NoHypervisor()), run="run")


def use(boxes: Boxes, *, keep: bool = True, error: str = "It is red.") -> Box:
    """Let something fail on a machine."""
    box = boxes.new("sipsak on a machine", TARGET, Machine(("sipsak",)))
    with pytest.raises(FarmFault), boxes.kept_if_red(box, keep=keep):
        raise FarmFault(error)
    return box


def test_a_machine_on_which_something_failed_stays_with_the_reason(
    boxes: Boxes, layout: Layout
) -> None:
    box = use(boxes)
    (found,) = kept(layout.machines)
    assert (found.folder, found.record.why) == (box.folder, "It is red.")
    assert boxes.has_kept("sipsak on a machine")
    assert not boxes.has_kept("libre on a machine")


def test_one_that_nobody_needs_to_look_at_goes(boxes: Boxes, layout: Layout) -> None:
    use(boxes, keep=False)
    assert not kept(layout.machines)


def test_what_a_first_try_has_left_is_taken_away_before_the_second(
    boxes: Boxes, layout: Layout
) -> None:
    use(boxes, error="of an item before")
    boxes.latest.clear()
    use(boxes, error="of this one")
    boxes.release_latest()
    assert [box.record.why for box in kept(layout.machines)] == ["of an item before"]


def test_a_machine_that_somebody_is_at_stays(boxes: Boxes, layout: Layout) -> None:
    someone = Box(use(boxes).folder)
    assert someone.take(shared=True)
    boxes.release_latest()
    assert kept(layout.machines)
    someone.leave()
