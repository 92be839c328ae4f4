"""Floor 5: images of machines, made of what a repository holds: each is booted and looked at.

A disk's image is the disk of a machine that FAI has just installed, before its first boot, from
the same configuration space as the machines of checks. fai-diskimage(8) does the same without a
machine, as root and with loop devices. A medium installs such a machine without a network.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from farm.base.activity import Tell
from farm.base.errors import InputError
from farm.base.files import (
    digest_of,
    link_or_copy,
    locked,
    read_json,
    settle,
    temporary,
    write_json,
)
from farm.base.run import run
from farm.config.choices import ImageFormat, InstallerKind
from farm.config.settings import Machine
from farm.machine.base_file import STATUS
from farm.machine.browser import look_at
from farm.machine.domain import render_domain
from farm.machine.fai_space import package_names, render_space
from farm.machine.installation import Site, install
from farm.machine.medium import DISTRIBUTION, lay_out, make_iso
from farm.machine.running import Box, describe_hardware
from farm.machine.wish import Wish
from farm.model.layout import Layout
from farm.model.target import Target
from farm.release import machine_checks as checks
from farm.release.installs import Installed
from farm.release.machines import Machines, Running
from farm.release.wishes import Subject, image_wish, medium_wish
from farm.repo.content import BINARY

_FORMAT = 1  # raise it when images are made in another way
_TURN = timedelta(hours=2)
_CONVERT = timedelta(minutes=20)
_DISPLAY = timedelta(minutes=1)
_ABOUT = "about.json"
# The farm comes into a machine that does not know it, with a key that is nowhere on its disk.
_WAY_IN = "d /root/.ssh 0700 root root -\nf+ /root/.ssh/authorized_keys2 0600 root root - {key}\n"


@dataclass(frozen=True)
class Image:
    """An image that was booted, and passed every check.

    :param folder: holds it, a picture, and what is known of it.
    """

    folder: Path
    target: Target
    format: ImageFormat

    @property
    def path(self) -> Path:
        """The image itself."""
        return self.folder / f"image.{self.format}"

    @property
    def about(self) -> dict[str, Any]:
        """How it was made, and what was looked at."""
        found: dict[str, Any] = read_json(self.folder / _ABOUT)
        return found


class Images:
    """Makes the images of a workspace.

    :param identity: the digest of what farm.toml wants of machines.
    """

    def __init__(self, machines: Machines, layout: Layout, *, identity: str, tell: Tell) -> None:
        self._machines = machines
        self._installs = machines.installs
        self._layout = layout
        self._identity = identity
        self._tell = tell

    @property
    def _machine(self) -> Machine:
        return self._installs.machine

    def ensure(self, subject: Subject, kind: ImageFormat, *, url: str | None) -> Image:
        """Give the image of a snapshot, making it unless that was done before.

        :param url: where users find the repository, if that is known.
        :raises InputError: when farm.toml names another installer than FAI.
        :raises InstallFailed: when it cannot be installed, or does not boot.
        :raises AuditFailed: when what boots is not as it should be.
        :raises FarmFault: because of the farm or its host.
        """
        if self._machine.installer is not InstallerKind.FAI:
            raise InputError(
                f"Images are made by FAI, and farm.toml says {self._machine.installer}.",
                hint='Write [machine] installer = "fai".',
            )
        wish = image_wish(self._installs.wish(subject), subject, url=url)
        installer = self._installs.installer(subject, wish)
        key = digest_of([
            _FORMAT, str(kind), subject.candidate.snapshot.id, installer.identity(), url,
            self._identity,
        ])[:24]  # fmt: skip
        image = Image(self._layout.images / f"{subject.target}-{kind}-{key}", subject.target, kind)
        what = f"making the {kind} image of {subject.target}"
        with locked(self._layout.locks / f"image-{key}.lock", timeout=_TURN, what=what,
                    waiting=lambda: self._tell(f"waiting for the {kind} image")):  # fmt: skip
            if not (image.folder / _ABOUT).exists():
                self._make(subject, wish, image, url=url)
        os.utime(image.folder)  # in use: 'farm gc' takes those that nobody has used for days
        return image

    def _make(self, subject: Subject, wish: Wish, image: Image, *, url: str | None) -> None:
        with temporary(self._layout.temporary, prefix="image-") as parent:
            made = parent / "made"
            made.mkdir()
            file = made / image.path.name
            if image.format is ImageFormat.RAW:
                self._convert(self.ensure(subject, ImageFormat.QCOW2, url=url).path, file, "raw")
            elif image.format is ImageFormat.ISO:
                self._make_medium(subject, wish, parent, file)
            else:
                self._install_disk(subject, wish, file)
            file.chmod(0o444)  # published by a link: who runs it makes a copy, or a disk on top
            self._try(subject, image.format, file)
            write_json(made / _ABOUT, {
                "snapshot": subject.candidate.snapshot.id, "target": str(subject.target),
                "format": str(image.format), "url": url or "", "checks": list(_CHECKS),
                "when": datetime.now(UTC).isoformat(timespec="seconds"),
            })  # fmt: skip
            settle(made, image.folder)

    def _install_disk(self, subject: Subject, wish: Wish, file: Path) -> None:
        box = self._machines.boxes.new(f"image@{subject.target}", subject.target, self._machine)
        with self._machines.boxes.kept_if_red(box):
            self._installs.run_installer(box, self._installs.installer(subject, wish), subject)
            self._convert(box.disk, file, "qcow2")

    def _convert(self, disk: Path, to: Path, kind: str) -> None:
        self._tell(f"writing {to.name}")
        compressed = ["-c", "-o", "compression_type=zstd"] if kind == "qcow2" else []
        run(["qemu-img", "convert", "-q", *compressed, "-O", kind, disk, to], timeout=_CONVERT)

    # A medium.

    def _make_medium(self, subject: Subject, wish: Wish, parent: Path, file: Path) -> None:
        folder = parent / "medium"
        folder.mkdir()
        folder.chmod(0o755)
        parent.chmod(0o755)
        boot = self._installs.installer(subject, wish).boot()
        wish = medium_wish(wish)
        files = {name: path for name, path in boot.files.items() if name != STATUS}
        lay_out(folder, files=files, space=render_space(wish), hostname=wish.hostname)
        self._put_packages(subject, folder, boot.files[STATUS])
        iso = make_iso(folder, ground=subject.ground, layout=self._layout, tell=self._tell)
        link_or_copy(iso, file)

    def _put_packages(self, subject: Subject, folder: Path, status: Path) -> None:
        """Put all on a medium that the base file lacks: the release in its own signed tree."""
        self._tell("collecting packages for the medium")
        candidate = subject.candidate
        view = candidate.view(self._layout, archive=subject.archive, status=status)
        own = {
            (each.name, each.version): each.file
            for each in candidate.snapshot.entries
            if each.kind == BINARY and each.distribution == subject.target.distribution
        }
        foreign = folder / DISTRIBUTION
        foreign.mkdir()
        names = set()
        for words in (["install", *package_names(self._machine)], ["dist-upgrade"]):
            debs = view.solve(*words)
            names |= {own[deb.name, deb.version] for deb in debs if (deb.name, deb.version) in own}
            others = [deb for deb in debs if (deb.name, deb.version) not in own]
            for deb, path in view.download(*words, debs=others).items():
                if not (foreign / deb.file_name).exists():
                    link_or_copy(path, foreign / deb.file_name)
        _copy_part(candidate.snapshot.path, folder / "candidate", names)
        index = run(["apt-ftparchive", "packages", "."], timeout=_CONVERT, cwd=foreign)
        (foreign / "Packages").write_text(index.stdout)

    # Trying.

    def _try(self, subject: Subject, kind: ImageFormat, file: Path) -> None:
        """Boot it as its users would, and look at the machine."""
        box = self._machines.boxes.new(f"image@{subject.target}", subject.target, self._machine)
        with self._machines.boxes.kept_if_red(box):
            self._tell(f"trying {file.name}")
            for folder in (box.logs, box.pictures):
                folder.mkdir(parents=True, exist_ok=True)
            if kind is ImageFormat.ISO:
                self._install_from(file, subject, box)
            else:
                form = str(kind)
                run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", form, "-b", file, box.disk],
                    timeout=_CONVERT)  # fmt: skip
            self._look(subject, box)

    def _install_from(self, medium: Path, subject: Subject, box: Box) -> None:
        spec = describe_hardware(
            box, self._machine, self._installs.acceleration(subject).accelerator
        )
        installer = self._installs.installer(subject)
        install(Site(box, spec, medium=medium), self._machine, installer,
                hypervisor=self._machines.hypervisor, tell=self._tell)  # fmt: skip

    def _look(self, subject: Subject, box: Box) -> None:
        spec = describe_hardware(
            box, self._machine, self._installs.acceleration(subject).accelerator,
            credentials={"tmpfiles.extra": _WAY_IN.format(key=self._installs.public_key)},
        )  # fmt: skip
        place = self._installs.boot(box, render_domain(spec))
        running = Running(
            box, place, Installed(box.folder, subject.target, subject.candidate.digest)
        )
        for check in _CHECKS.values():
            check(running, subject, self._machine)


def _copy_part(tree: Path, to: Path, names: Collection[str]) -> None:
    """Copy a repository, its indexes whole, of its packages those with some file names."""
    shutil.copytree(tree / "dists", to / "dists", symlinks=True)
    for path in sorted(tree.glob("pool/**/*.deb")):
        if path.name in names:
            copy = to / path.relative_to(tree)
            copy.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(path, copy)


def _check_page(running: Running, subject: Subject, machine: Machine) -> None:
    if machine.page:
        text = checks.page_text(machine.page, subject.candidate, subject)
        checks.check_page(running, machine.page, text)
        sight = look_at(checks.page_url(running, machine.page), timeout=_DISPLAY,
                        picture=running.box.pictures / "page.png")  # fmt: skip
        checks.check_sight(sight, machine.page, text)


_CHECKS: dict[str, Callable[[Running, Subject, Machine], None]] = {
    "packages": checks.check_packages,
    "files": lambda running, subject, machine: checks.check_files(running),
    "settled": lambda running, subject, machine: checks.check_settled(running, subject),
    "services": lambda running, subject, machine: checks.check_services(running, machine),
    "page": _check_page,
}
