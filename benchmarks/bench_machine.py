"""Machines: the farm's installation against the same run of FAI by hand, and clones of it.

By hand is what somebody does with FAI, QEMU and a web server: the same files, the same machine, no
libvirt, nobody who watches.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from benchmarks.ratio import Limit, Ratio, at_most_times
from benchmarks.shop import REPOSITORY, Shop
from farm.base.files import temporary
from farm.base.run import run
from farm.machine.cache import serve_cache
from farm.machine.installation import make_disk
from farm.machine.installer import Net
from farm.machine.netboot import SCRIPT, ipxe_script
from farm.machine.network import USER
from farm.release.installs import Installs
from farm.release.machines import Machines
from farm.release.wishes import Subject

_INSTALLATION = timedelta(hours=1)
_CLONE_SECONDS = 5.0
_SAME_SECONDS = 3.0


def measure(shop: Shop) -> Iterator[Ratio]:
    """Install a machine twice, and clone it."""
    shop.ensure_released()
    workshop = shop.workshop()
    try:
        snapshot = workshop.snapshots.current(REPOSITORY)
        assert snapshot is not None
        candidate = workshop.offered(snapshot)
        subject = workshop.subject(candidate, candidate.targets[0])
        machines = workshop.machines
        machines.installs.prepare(subject.ground, subject.archive)
        cache = workshop.layout.cache / "apt-cacher-ng"
        with temporary(workshop.layout.temporary, prefix="by-hand-") as folder:
            by_hand = _install_by_hand(machines.installs, subject, folder, cache)
        phases = dict(machines.installs.ensure(subject).about["phases"])
        boot = phases.pop("first boot")
        yield Ratio("installing a machine", sum(phases.values()), by_hand, at_most_times(1.1),
                    note="other: the same FAI, QEMU and a web server by hand")  # fmt: skip
        yield from _reuse(machines, subject, by_hand=by_hand, boot=boot)
    finally:
        workshop.close()


def _reuse(
    machines: Machines, subject: Subject, *, by_hand: float, boot: float
) -> Iterator[Ratio]:
    started = time.monotonic()
    machines.installs.ensure(subject)
    again = time.monotonic() - started
    yield Ratio("the machine of an unchanged candidate", again, by_hand, _within(_SAME_SECONDS),
                note="other: installing it")  # fmt: skip
    started = time.monotonic()
    with machines.clone(subject, purpose="benchmark"):
        clone = time.monotonic() - started
    yield Ratio("a clone, until it answers by ssh", clone, boot, _within(_CLONE_SECONDS),
                note="other: booting it from its disk")  # fmt: skip


def _within(seconds: float) -> Limit:
    return Limit(f"ours <= {seconds:g} s", lambda ours, _: ours <= seconds)


def _install_by_hand(installs: Installs, subject: Subject, folder: Path, cache: Path) -> float:
    """Give the seconds from power on until power off."""
    machine, installer = installs.machine, installs.installer(subject)
    boot = installer.boot()
    for name, data in boot.configuration.items():
        (folder / name).write_bytes(data)
    for path, file in {**boot.files, "candidate": subject.candidate.snapshot.path}.items():
        (folder / path).symlink_to(file)
    disk = folder / "disk.qcow2"
    make_disk(disk, machine.disk)
    accelerator = installs.acceleration(subject).accelerator
    with _web_server(folder) as port, serve_cache(cache) as proxy:
        net = Net(f"{USER.host}:{port}", 1, USER.name_server, f"http://{USER.host}:{proxy}")
        (folder / SCRIPT).write_text(ipxe_script(boot, installer, net))
        words = [
            "qemu-system-x86_64", "-machine", "q35", "-nodefaults", "-display", "none",
            "-m", f"{machine.memory // 2**20}", "-smp", str(machine.cpus),
            "-drive", f"file={disk},if=virtio,cache=unsafe,discard=unmap",
            "-netdev", f"user,id=n,ipv6=off,bootfile={net.url}/{SCRIPT}",
            "-device", "virtio-net-pci,netdev=n,bootindex=1", "-device", "virtio-rng-pci",
            "-vga", "std", "-serial", f"file:{folder / 'console.log'}", "-no-reboot",
            *(["-accel", "kvm", "-cpu", "host"] if accelerator == "kvm" else
              ["-accel", "tcg,tb-size=512", "-cpu", "qemu64"]),
        ]  # fmt: skip
        started = time.monotonic()
        run(words, timeout=_INSTALLATION)
        return time.monotonic() - started


@contextlib.contextmanager
def _web_server(folder: Path) -> Iterator[int]:
    handler = functools.partial(_Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """What ``python -m http.server`` is, without its log."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
