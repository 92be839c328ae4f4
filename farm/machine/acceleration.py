"""Floor 4: whether this host's processor can run machines, or they have to be emulated.

That there is a ``/dev/kvm`` proves nothing: under some hosts it is there, and kernels hang. So one
is booted, once for each host and QEMU, and the answer is kept.
"""

from __future__ import annotations

import os
import platform
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from farm.base.errors import CommandError, CommandTimeout
from farm.base.files import digest_of, locked, read_json, write_json
from farm.base.run import Result, run
from farm.machine.domain import Accelerator

_DEVICE = Path("/dev/kvm")
_MACHINE_ID = Path("/etc/machine-id")
_BOOT = timedelta(seconds=15)
_LOOK = timedelta(seconds=10)
_LOCK = timedelta(minutes=2)
# It has no root file system, and does not wait for one: kernel-parameters(7).
_CMDLINE = "console=ttyS0 panic=-1"
_FIRST_WORDS = "Linux version"
_LAST_WORDS = "Kernel panic - not syncing: VFS"

Runner = Callable[..., Result]
"""What :func:`farm.base.run.run` is."""


@dataclass(frozen=True)
class Acceleration:
    """How machines run here.

    :param reason: a sentence for reports.
    """

    accelerator: Accelerator
    reason: str


def find_acceleration(
    kernel: Path, *, memory: Path, device: Path = _DEVICE, runner: Runner = run
) -> Acceleration:
    """Say how machines run here; takes up to a quarter of a minute when it is not known yet.

    :param kernel: any that runs on a virtual machine.
    :param memory: a folder where answers are kept.
    """
    refusal = _refusal(device)
    if refusal:
        return Acceleration(Accelerator.TCG, f"{refusal}, so machines are emulated.")
    facts = _facts(device, runner)
    answer = memory / f"acceleration-{digest_of(facts)[:16]}.json"
    with locked(answer.with_suffix(".lock"), timeout=_LOCK, what="the look at KVM"):
        if not answer.exists():
            found = _try_kvm(kernel, runner)
            write_json(answer, {
                "facts": facts, "accelerator": found.accelerator, "reason": found.reason,
            })  # fmt: skip
        known = read_json(answer)
    return Acceleration(Accelerator(known["accelerator"]), known["reason"])


def _refusal(device: Path) -> str:
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return f"There is no {device}"
    except OSError as error:
        return f"{device} cannot be opened ({error.strerror})"
    return ""


def _facts(device: Path, runner: Runner) -> dict[str, Any]:
    """Give what the answer depends on."""
    status = device.stat()
    try:
        machine = _MACHINE_ID.read_text().strip()
    except OSError:
        machine = ""
    version = runner(["qemu-system-x86_64", "--version"], timeout=_LOOK).stdout.splitlines()[:1]
    return {
        "kernel": platform.release(), "machine": machine or platform.node(), "qemu": version,
        "device": status.st_rdev, "mode": stat.filemode(status.st_mode),
    }  # fmt: skip


def _try_kvm(kernel: Path, runner: Runner) -> Acceleration:
    """Boot a kernel until it finds that it has no root file system, and ends the machine."""
    argv = [
        "qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-machine", "q35", "-m", "256",
        "-no-user-config", "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio",
        "-kernel", kernel, "-append", _CMDLINE,
    ]  # fmt: skip
    emulated = "so machines are emulated."
    try:
        ended = runner(argv, timeout=_BOOT)
    except CommandTimeout:
        seconds = round(_BOOT.total_seconds())
        return Acceleration(
            Accelerator.TCG,
            f"KVM is offered, but no kernel boots under it within {seconds} s, {emulated}",
        )
    except CommandError:
        return Acceleration(
            Accelerator.TCG, f"KVM is offered, but QEMU does not run with it, {emulated}"
        )
    if _FIRST_WORDS not in ended.stdout or _LAST_WORDS not in ended.stdout:
        return Acceleration(
            Accelerator.TCG, f"KVM is offered, but a kernel does not boot under it, {emulated}"
        )
    return Acceleration(
        Accelerator.KVM, f"A kernel boots under KVM in {ended.seconds:.1f} s, so machines use it."
    )
