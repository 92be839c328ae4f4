"""Floor 5: what the farm needs of the machine that it runs on, beside its Python packages."""

from __future__ import annotations

import os
import pwd
import shutil
import sysconfig
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from farm.base.errors import CommandError, FarmFault
from farm.base.run import environment, run

_TRY = timedelta(seconds=20)
_RANGE = 65536
_LIBRARIES = f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}"
_RANGES = (Path("/etc/subuid"), Path("/etc/subgid"))


@dataclass(frozen=True)
class Requirement:
    """A Debian package, and how to see that it is there.

    :param has: programs on the PATH, or absolute paths of files; all of them.
    """

    package: str
    has: tuple[str, ...]


REQUIREMENTS = (
    Requirement("apt-utils", ("apt-ftparchive",)),
    Requirement("busybox-static", ("busybox",)),
    Requirement("debian-archive-keyring", ("/usr/share/keyrings/debian-archive-keyring.gpg",)),
    Requirement("dpkg-dev", ("dpkg-source", "dpkg-buildpackage")),
    Requirement("gpg", ("gpg",)),
    Requirement("gpg-agent", ("gpg-agent",)),
    Requirement("gpgv", ("gpgv",)),
    Requirement("lintian", ("lintian",)),
    Requirement("mmdebstrap", ("mmdebstrap",)),
    Requirement("reprepro", ("reprepro",)),
    Requirement("uidmap", ("newuidmap", "newgidmap")),
    Requirement("util-linux", ("unshare", "setpriv")),
    Requirement("xz-utils", ("xz",)),
    Requirement("zstd", ("zstd",)),
)


OF_MACHINES = (
    Requirement("apt-cacher-ng", ("apt-cacher-ng",)),
    Requirement("chromium", ("chromium",)),
    Requirement("ipxe-qemu", ("/usr/lib/ipxe/qemu/pxe-virtio.rom",)),
    Requirement("libvirt-daemon", ("libvirtd",)),
    Requirement("libvirt-daemon-driver-qemu",
                (f"{_LIBRARIES}/libvirt/connection-driver/libvirt_driver_qemu.so",)),
    Requirement("openssh-client", ("scp", "ssh", "ssh-keygen")),
    Requirement("ovmf", ("/usr/share/OVMF/OVMF_CODE_4M.fd",)),
    Requirement("pxelinux", ("/usr/lib/PXELINUX/pxelinux.0",)),
    Requirement("qemu-system-x86", ("qemu-system-x86_64",)),
    Requirement("qemu-utils", ("qemu-img",)),
    Requirement("socat", ("socat",)),
    Requirement("syslinux-common", ("/usr/lib/syslinux/modules/bios/ldlinux.c32",)),
)  # fmt: skip
"""What the farm needs besides, to install machines."""


def find_missing(
    *, machines: bool = False, is_there: Callable[[str], bool] | None = None
) -> list[str]:
    """Give the Debian packages that have to be installed, by name.

    :param machines: whether machines are to be installed.
    :param is_there: says whether a program or a file is there; looks at this machine when None.
    """
    look = is_there or _is_there
    wanted = (*REQUIREMENTS, *(OF_MACHINES if machines else ()))
    return [each.package for each in wanted if not all(look(name) for name in each.has)]


def _is_there(name: str) -> bool:
    if name.startswith("/"):
        return Path(name).is_file()
    return shutil.which(name, path=environment()["PATH"]) is not None


def describe_missing(packages: Iterable[str]) -> str:
    """Say in a sentence which Debian packages are missing."""
    names = list(packages)
    what = "a Debian package that is" if len(names) == 1 else "Debian packages that are"
    return f"The farm needs {what} not installed: {', '.join(names)}."


def describe_installation(packages: Iterable[str]) -> str:
    """Give the command that installs Debian packages."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"{sudo}apt-get install --no-install-recommends {' '.join(packages)}"


def check_requirements(*, machines: bool = False) -> None:
    """See that this machine has what a release run needs: programs, and user namespaces.

    Takes some ten milliseconds.

    :raises FarmFault: in one sentence for all programs, with the command that installs them; or
        for what keeps this user from entering chroots.
    """
    missing = find_missing(machines=machines)
    if missing:
        raise FarmFault(describe_missing(missing),
                        hint=f"Install them: {describe_installation(missing)}")  # fmt: skip
    _check_ranges()
    _check_namespaces()


def _check_ranges() -> None:
    """See that the user has subordinate ids, of which chroots are made: subuid(5)."""
    user = _user_name()
    lacking = [str(path) for path in _RANGES if not has_range(_read(path), user=user)]
    if lacking:
        raise FarmFault(
            f"{user} has no {_RANGE} subordinate ids in {' and '.join(lacking)}, and no chroot "
            "can be made without them.",
            hint="As root, with a range that nobody has: usermod --add-subuids 100000-165535 "
            f"--add-subgids 100000-165535 {user}",
        )


def has_range(text: str, *, user: str) -> bool:
    """Tell whether a user has enough ids of a file with lines ``NAME-OR-UID:FIRST:COUNT``."""
    for line in text.splitlines():
        owner, _, rest = line.strip().partition(":")
        count = rest.partition(":")[2]
        if owner in (user, str(os.geteuid())) and count.isdecimal() and int(count) >= _RANGE:
            return True
    return False


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # no entry in /etc/passwd, as in some containers
        return str(os.geteuid())


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _check_namespaces() -> None:
    try:
        run(["unshare", "--user", "--map-auto", "--map-root-user", "true"], timeout=_TRY)
    except CommandError as error:
        raise FarmFault(
            "This machine does not let its users make user namespaces, so there are no chroots.",
            details=error.details,
            hint="See user_namespaces(7), and the settings of the container if this is one.",
        ) from error
