"""Floor 5: trying a package on a machine: a clone on which it is installed from the candidate."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta

from farm.base.errors import CommandError, InstallFailed
from farm.model.layout import Layout
from farm.place.overlay import USER
from farm.release.chroot import Installation
from farm.release.machines import Running
from farm.release.trial import Trial

_INSTALL = timedelta(minutes=15)
_SHORT = timedelta(minutes=2)
_DEBS = "/var/cache/apt/archives"
_ADD_USER = ("useradd", "--create-home", "--shell", "/bin/bash", USER)
_APT = ("apt-get", "-q", "-y", "--no-install-recommends", "-o", "Dir::Etc::SourceList=/dev/null",
        "-o", "Dir::Etc::SourceParts=/dev/null", "-o", "Dpkg::Use-Pty=0", "install")  # fmt: skip


@contextlib.contextmanager
def try_on_machine(
    machine: AbstractContextManager[Running], layout: Layout, what: Installation
) -> Iterator[Trial]:
    """Give a machine on which a unit and further packages are installed from the candidate.

    :param machine: a clone for this alone.
    :raises InstallFailed: when apt cannot install them there.
    """
    with machine as running:
        _add_packages(running, layout, what)
        running.place.run(_ADD_USER, timeout=_SHORT)
        build = what.candidate.builds[what.unit]
        yield Trial(running.place, build.package, build.version)


def _add_packages(running: Running, layout: Layout, what: Installation) -> None:
    """Install what is not there yet: apt decides here what that is, and the machine's own does it.

    The packages are those that apt has verified on this host, and the candidate's own.
    """
    status = running.installed.folder / "status"
    view = what.candidate.view(layout, archive=what.archive, status=status)
    words = ["install", *what.names]
    debs = view.solve(*words)
    if not debs:
        return
    own = {(each.name, each.version): each.file.path
           for each in what.candidate.binaries(what.unit.target).values()}  # fmt: skip
    foreign = [deb for deb in debs if (deb.name, deb.version) not in own]
    paths = view.download(*words, debs=foreign)
    files = [own.get((deb.name, deb.version)) or paths[deb] for deb in debs]
    running.place.send(files, _DEBS, timeout=_INSTALL)
    try:
        running.place.run([*_APT, *(f"{_DEBS}/{path.name}" for path in files)], timeout=_INSTALL,
                          env={"DEBIAN_FRONTEND": "noninteractive"})  # fmt: skip
    except CommandError as error:
        raise InstallFailed(
            f"apt does not install {what.unit} on a machine.", details=error.details,
            hint="It installs in a chroot: look for what its scripts do with services.",
        ) from error  # fmt: skip
