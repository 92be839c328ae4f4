"""Boxes of machines: what is kept, and until when."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from farm.base.errors import AuditFailed, FarmFault
from farm.config.settings import Machine
from farm.machine.hypervisor import Hypervisor
from farm.machine.running import Box, kept
from farm.model.layout import Layout
from farm.model.target import Target
from farm.release.boxes import Boxes

MACHINE = Machine(packages=("ipbx",))
TARGET = Target("bookworm", "amd64")


class NoHypervisor:
    """What boxes ask of one: machines that are off."""

    def destroy(self, name: str) -> None:
        """Do nothing."""

    def screenshot(self, name: str, path: Path) -> None:
        """Refuse."""
        raise FarmFault(f"The machine {name} is off.")


@pytest.fixture
def boxes(tmp_path: Path) -> Boxes:
    hypervisor = cast("Hypervisor", NoHypervisor())
    return Boxes(Layout(tmp_path), hypervisor=hypervisor, run="run-1")


def use(boxes: Boxes, error: Exception | None = None, *, purpose: str = "machine@t") -> Box:
    box = boxes.new(purpose, TARGET, MACHINE)
    with boxes.kept_if_red(box):
        if error:
            raise error
    return box


def reasons(boxes: Any) -> list[str]:
    return [box.record.why for box in kept(boxes._layout.machines)]


def test_nothing_stays_of_what_went_well(boxes: Boxes) -> None:
    box = use(boxes)
    assert not box.folder.exists()


def test_what_the_release_did_wrong_stays_until_somebody_lets_it_go(boxes: Boxes) -> None:
    with pytest.raises(AuditFailed):
        use(boxes, AuditFailed("The page does not answer."))
    use(boxes)
    assert reasons(boxes) == ["The page does not answer."]


def test_what_a_fault_has_left_goes_when_the_same_goes_well(boxes: Boxes) -> None:
    with pytest.raises(FarmFault):
        use(boxes, FarmFault("The power was cut."))
    use(boxes, purpose="ipbx@t on a machine")
    assert reasons(boxes) == ["The power was cut."]
    use(boxes)
    assert reasons(boxes) == []


def test_an_interrupted_run_leaves_nothing(boxes: Boxes) -> None:
    box = boxes.new("machine@t", TARGET, MACHINE)
    with pytest.raises(KeyboardInterrupt), boxes.kept_if_red(box):
        raise KeyboardInterrupt
    assert reasons(boxes) == []
    assert not box.folder.exists()
