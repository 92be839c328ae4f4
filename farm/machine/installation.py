"""Floor 4: the installation of one machine: boots it from the network, watches it until it ends.

Every phase has a deadline. What the machine says, on its console and to the installer's monitor,
is shown while it works, and kept; pictures of its screen are taken in each phase, and when it
fails.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from farm.base.activity import Tell
from farm.base.errors import FarmError, FarmFault, InstallFailed, WaitTimeout
from farm.base.printable import printable
from farm.base.run import run
from farm.config.settings import Machine
from farm.machine.domain import DomainSpec, render_domain
from farm.machine.hypervisor import Ending, Hypervisor
from farm.machine.installer import FIRMWARE, Boot, Course, Installer, Net, Trouble
from farm.machine.netboot import plugged
from farm.machine.network import USER, Wire
from farm.machine.running import Box
from farm.machine.server import Offer, Served, serve

_LOOK = timedelta(seconds=1)
_TOOL = timedelta(minutes=1)
_TAIL = 30
_COUNTED = re.compile(rb"(\d+) newly installed")
_ENDINGS = {Ending.FAILED: "QEMU has crashed, or was killed"}
_PANIC = re.compile(r"Kernel panic - not syncing: (.*?)\.?\s*$")
_NO_ANSWER = (
    "The machine got no answer by DHCP, or nothing by TFTP or HTTP: the picture shows what its "
    "network card says."
)


@dataclass(frozen=True)
class Site:
    """Where a machine is installed, and from what.

    :param wire: the network it is plugged into while it is installed.
    :param trees: what is served beside the installer's own files: repositories, by name.
    :param cache_port: of the cache for the distribution's archive, at the same address.
    :param medium: what it boots from instead, without a network.
    """

    box: Box
    spec: DomainSpec
    wire: Wire = USER
    trees: Mapping[str, Path] = field(default_factory=dict)
    cache_port: int = 0
    medium: Path | None = None

    @property
    def name(self) -> str:
        """The name of the domain."""
        return self.spec.name


@dataclass
class _Watch:
    """What is known while a machine is being installed."""

    course: Course = field(default_factory=Course)
    since: float = field(default_factory=time.monotonic)
    phases: list[tuple[str, float]] = field(default_factory=list)
    pictured: set[str] = field(default_factory=set)
    read: int = 0  # bytes of the console's log


def make_disk(path: Path, size: int) -> None:
    """Make an empty disk; it grows as it is written to."""
    run(["qemu-img", "create", "-q", "-f", "qcow2", path, str(size)], timeout=_TOOL)


def install(
    site: Site, machine: Machine, installer: Installer, *, hypervisor: Hypervisor, tell: Tell
) -> list[tuple[str, float]]:
    """Install a machine on an empty disk; it is off when this returns.

    :returns: the phases and how many seconds each took.
    :raises InstallFailed: when the release, or what farm.toml wants of the machine, is to blame.
    :raises FarmFault: when the farm or its host is.
    """
    box = site.box
    for folder in (box.logs, box.pictures):
        folder.mkdir(parents=True, exist_ok=True)
    make_disk(box.disk, machine.disk)
    watch = _Watch()
    with _bootable(site, machine, installer, watch) as spec:
        hypervisor.start(render_domain(spec))
        try:
            ending = _watch(site, machine, installer, watch, hypervisor, tell)
        finally:
            hypervisor.destroy(site.name)
    watch.phases.append((watch.course.phase, time.monotonic() - watch.since))
    _read_console(site, installer, watch)
    if ending is not Ending.POWERED_OFF:
        raise FarmFault(
            f"{site.name} has ended while it was installed, in the phase {watch.course.phase}: "
            f"{_ENDINGS.get(ending, f'it was {ending}')}.",
            details=console_tail(site.box.console), hint="Run it again.",
        )  # fmt: skip
    if not watch.course.finished:
        raise _failed(site, installer.explain(watch.course, site.box.logs))
    return watch.phases


@contextlib.contextmanager
def _bootable(
    site: Site, machine: Machine, installer: Installer, watch: _Watch
) -> Iterator[DomainSpec]:
    """Give the machine with what it boots its installer from, while the block runs."""
    if site.medium:
        yield replace(site.spec, cdrom=site.medium, network=None)
        return
    boot = installer.boot()
    site.box.configuration.mkdir()
    for name, data in boot.configuration.items():
        (site.box.configuration / name).write_bytes(data)
    folder = site.box.folder / "tftp"
    with (
        _served(site, boot, installer, watch) as net,
        plugged(site.wire, machine.boot, boot, installer, net, folder=folder) as plug,
    ):
        yield replace(site.spec, network=plug)


@contextlib.contextmanager
def _served(site: Site, boot: Boot, installer: Installer, watch: _Watch) -> Iterator[Net]:
    configuration = {name: site.box.configuration / name for name in boot.configuration}

    def offer(served: Served) -> Offer:
        return Offer(
            files={**boot.files, **configuration},
            trees=site.trees, uploads=site.box.logs,
            heard=lambda line: installer.hear(line, watch.course),
            asked=lambda path, _: installer.asked(path, watch.course),
        )  # fmt: skip

    with serve(offer, address=site.wire.listen) as served:
        yield _net(served, site)


def _net(served: Served, site: Site) -> Net:
    host = site.wire.host
    proxy = f"http://{host}:{site.cache_port}"
    return Net(f"{host}:{served.port}", served.monitor_port, site.wire.name_server, proxy)


def _watch(
    site: Site, machine: Machine, installer: Installer, watch: _Watch, hypervisor: Hypervisor,
    tell: Tell,
) -> Ending:  # fmt: skip
    last = time.monotonic() + machine.timeout.total_seconds()
    phase, said = "", ""
    while True:
        panic = _read_console(site, installer, watch)
        if panic:
            raise _panicked(site, installer, watch, hypervisor, panic)
        if watch.course.phase != phase:
            now = time.monotonic()
            if phase:
                watch.phases.append((phase, now - watch.since))
            phase, watch.since = watch.course.phase, now
        words = f"installing {site.name}: {phase}{_progress(site, phase)}"
        if words != said:
            tell(words)
            said = words
        try:
            return hypervisor.wait_until_off(site.name, timeout=_LOOK)
        except WaitTimeout:
            _picture(site, phase, watch, hypervisor)
        limit = watch.since + installer.limit(phase).total_seconds()
        if time.monotonic() > min(limit, last):
            raise _late(site, installer, watch, hypervisor)


def _read_console(site: Site, installer: Installer, watch: _Watch) -> str:
    """Let an installer without a network hear what the machine has said since, in whole lines.

    :returns: why the machine's kernel has panicked, if it has.
    """
    try:
        with site.box.console.open("rb") as stream:
            stream.seek(watch.read)
            text = stream.read()
    except OSError:
        return ""
    whole = text[: text.rfind(b"\n") + 1]
    watch.read += len(whole)
    panic = ""
    for line in whole.decode(errors="replace").splitlines():
        if site.medium:
            installer.read(line, watch.course)
        if found := _PANIC.search(line):
            panic = panic or printable(found[1])
    return panic


def _progress(site: Site, phase: str) -> str:
    """Say how far apt is, from the console: of so many packages so many are set up."""
    if phase != "instsoft":
        return ""
    try:
        text = site.box.console.read_bytes()
    except OSError:
        return ""
    counts = _COUNTED.findall(text)
    if not counts or not int(counts[-1]):
        return ""
    done = text.rpartition(counts[-1] + b" newly installed")[2].count(b"Setting up ")
    return f" {min(99, 100 * done // int(counts[-1]))}%"


def _picture(site: Site, phase: str, watch: _Watch, hypervisor: Hypervisor) -> None:
    """Take a picture of each phase, some seconds after it has begun."""
    if phase in watch.pictured or time.monotonic() - watch.since < 2:
        return
    watch.pictured.add(phase)
    take_picture(hypervisor, site.name, site.box.pictures / f"{phase.replace(' ', '-')}.png")


def take_picture(hypervisor: Hypervisor, name: str, path: Path) -> None:
    """Take a picture of a screen if there is one: a missing picture is nobody's failure."""
    with contextlib.suppress(FarmError):
        hypervisor.screenshot(name, path)


def _late(site: Site, installer: Installer, watch: _Watch, hypervisor: Hypervisor) -> FarmError:
    take_picture(hypervisor, site.name, site.box.pictures / "failure.png")
    phase = watch.course.phase
    trouble = installer.explain(watch.course, site.box.logs)
    seconds = round(time.monotonic() - watch.since)
    return _failed(site, replace(
        trouble, brief=f"it hangs in the phase {phase}, after {seconds} s",
        log=trouble.log or console_tail(site.box.console),
        hint=_NO_ANSWER if phase == FIRMWARE else trouble.hint,
    ))  # fmt: skip


def _panicked(
    site: Site, installer: Installer, watch: _Watch, hypervisor: Hypervisor, panic: str
) -> FarmError:
    take_picture(hypervisor, site.name, site.box.pictures / "failure.png")
    trouble = installer.explain(watch.course, site.box.logs)
    return _failed(site, replace(
        trouble, brief=f"its kernel panics in the phase {watch.course.phase}: {panic}",
        log=console_tail(site.box.console), hint="The lines above are the kernel's own.",
    ))  # fmt: skip


def _failed(site: Site, trouble: Trouble) -> FarmError:
    kind = FarmFault if trouble.is_fault else InstallFailed
    box = site.box
    details = trouble.log or console_tail(box.console)
    places = {"console": box.console, "logs": box.logs, "picture": box.pictures / "failure.png"}
    told = "\n".join(f"{name}: {path}" for name, path in places.items() if path.exists())
    return kind(
        f"{site.name} was not installed: {trouble.brief}.",
        details=f"{details}\n\n{told}", hint=trouble.hint,
    )  # fmt: skip


def console_tail(path: Path) -> str:
    """Give the last lines of a console's log, printable."""
    try:
        text = path.read_text(errors="replace")[-20000:]
    except OSError:
        return ""
    plain = re.sub(r"\x1b\[[0-9;?=]*[A-Za-z]", "", text)
    lines = [printable(line.rstrip("\r")) for line in plain.splitlines()]
    return "\n".join([line for line in lines if line.strip()][-_TAIL:])
