"""KVM or emulation, with a QEMU that is only played."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from farm.base.errors import CommandError, CommandTimeout, FarmError
from farm.base.run import Result
from farm.machine.acceleration import Acceleration, find_acceleration
from farm.machine.domain import Accelerator

BOOTED = "Linux version 6.1\n...\nKernel panic - not syncing: VFS: Unable to mount root fs\n"


class Qemu:
    """Says its version, and boots a kernel in one of several ways."""

    def __init__(self, boot: str | FarmError, *, version: str = "7.2") -> None:
        self.boot = boot
        self.version = version
        self.boots = 0

    def __call__(self, argv: Sequence[Any], **_options: object) -> Result:
        words = tuple(map(str, argv))
        if words[1:] == ("--version",):
            return Result(words, 0, f"QEMU emulator version {self.version}\n", "", 0.1)
        self.boots += 1
        if isinstance(self.boot, FarmError):
            raise self.boot
        return Result(words, 0, self.boot, "", 1.25)


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "kvm"
    path.touch()
    return path


def find(qemu: Qemu, device: Path) -> Acceleration:
    memory = device.parent / "memory"
    return find_acceleration(Path("/vmlinuz"), memory=memory, device=device, runner=qemu)


def test_a_kernel_that_boots_is_the_proof(device: Path) -> None:
    found = find(Qemu(BOOTED), device)
    assert found == Acceleration(
        Accelerator.KVM, "A kernel boots under KVM in 1.2 s, so machines use it."
    )


@pytest.mark.parametrize(("boot", "words"), [
    (CommandTimeout("late"), "KVM is offered, but no kernel boots under it within 15 s"),
    (CommandError("no"), "KVM is offered, but QEMU does not run with it"),
    ("Linux version 6.1\n", "KVM is offered, but a kernel does not boot under it"),
    ("", "KVM is offered, but a kernel does not boot under it"),
])  # fmt: skip
def test_whatever_else_happens_machines_are_emulated(
    device: Path, boot: str | FarmError, words: str
) -> None:
    found = find(Qemu(boot), device)
    assert found == Acceleration(Accelerator.TCG, f"{words}, so machines are emulated.")


def test_without_the_device_nothing_is_booted(tmp_path: Path) -> None:
    qemu = Qemu(BOOTED)
    found = find(qemu, tmp_path / "kvm")
    assert found.accelerator is Accelerator.TCG
    assert found.reason == f"There is no {tmp_path}/kvm, so machines are emulated."
    assert qemu.boots == 0


def test_a_device_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "kvm").mkdir()  # nor for root
    found = find(Qemu(BOOTED), tmp_path / "kvm")
    assert "kvm cannot be opened (Is a directory), so machines are emulated." in found.reason


@pytest.mark.parametrize("boot", [BOOTED, CommandTimeout("late")])
def test_the_answer_is_remembered(device: Path, boot: str | FarmError) -> None:
    qemu = Qemu(boot)
    assert find(qemu, device) == find(qemu, device)
    assert qemu.boots == 1


def test_another_qemu_is_asked_anew(device: Path) -> None:
    assert find(Qemu(CommandTimeout("late")), device).accelerator is Accelerator.TCG
    assert find(Qemu(BOOTED, version="9.0"), device).accelerator is Accelerator.KVM


def test_other_rights_are_asked_anew(device: Path) -> None:
    qemu = Qemu(BOOTED)
    find(qemu, device)
    os.chmod(device, stat.S_IRUSR | stat.S_IWUSR | stat.S_IXUSR)  # noqa: PTH101
    find(qemu, device)
    assert qemu.boots == 2
