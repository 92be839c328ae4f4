"""Floor 1: what must hold between the values of ``[machine]``, and between it and the rest."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from farm.config.choices import Firmware, InstallerKind
from farm.config.document import Document
from farm.config.machine_tables import BOOTS, MachineTable
from farm.model.gates import Gate

_OF_MACHINES = (Gate.INSTALL, Gate.UPGRADE)
# authorized_keys in sshd(8), without the kinds of key that it passes over unless told otherwise;
# whatever options stand before the kind are refused.
_PUBLIC_KEY = re.compile(
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com"
    r"|sk-ecdsa-sha2-nistp256@openssh\.com) [A-Za-z0-9+/]+={0,3}( .*)?"
)
_SCRIPT = re.compile(r"[0-9A-Za-z_-]+")
# A partition table of the kind that a BIOS reads has as many; each begins at a whole MiB.
_PARTITIONS = 4
_ALIGNED = 16 * 2**20
_KINDS = ("files", "scripts")


def check_machine(document: Document, *, root: Path, state: Path) -> None:
    """Note all mistakes that the table does not show by itself.

    :param root: the folder of farm.toml, resolved.
    :param state: the state folder.
    """
    table = document.machine
    if "machine" not in document.raw:
        _check_needs(document)
    if table is None:
        return
    _check_partitions(document, table)
    if table.boot not in (None, *BOOTS[table.firmware]):
        known = " or ".join(f'"{each}"' for each in BOOTS[table.firmware])
        problem = f"a machine with '{table.firmware}' boots from the network by {known}"
        document.add(("machine", "boot"), problem)
    if table.installer is InstallerKind.DEBIAN_INSTALLER:
        _check_debian_installer(document, table)
    if table.page and "{version}" in table.page.text and not table.page.package:
        problem = "is missing; the text of the page names its {version}"
        document.add(("machine", "page", "package"), problem)
    for position, name in enumerate(table.authorized_keys):
        problem = _look(name, lambda name: _key_problem(name, root))
        if problem:
            document.add(("machine", "authorized_keys", position), problem)
    if table.folder is not None:
        problem = _look(table.folder, lambda name: _folder_problem(name, root=root, state=state))
        if problem:
            document.add(("machine", "folder"), problem)


def _check_debian_installer(document: Document, table: MachineTable) -> None:
    if table.firmware is Firmware.UEFI:
        problem = "a machine with 'uefi' is installed by \"fai\" only"
        document.add(("machine", "installer"), problem)
    if table.partition and all(each.size[1] is not None for each in table.partition):
        problem = (
            "one must take all that is left for \"debian-installer\": its size is like '1 GiB-'"
        )
        document.add(("machine", "partition"), problem)
    for name, repository in document.repositories.items():
        if repository.images:
            problem = 'images are made by "fai", and [machine] says another installer'
            document.add(("repository", name, "images"), problem)


def _check_needs(document: Document) -> None:
    for name, repository in document.repositories.items():
        if repository.images:
            problem = "images are made of a machine, and there is no table [machine]"
            document.add(("repository", name, "images"), problem)
        for position, gate in enumerate(repository.gates):
            if gate in _OF_MACHINES:
                problem = f"{str(gate)!r} needs a machine, and there is no table [machine]"
                document.add(("repository", name, "gates", position), problem)


def _check_partitions(document: Document, table: MachineTable) -> None:
    mounts = [each.mount for each in table.partition]
    for position, mount in enumerate(mounts):
        if mount in mounts[:position]:
            document.add(("machine", "partition", position, "mount"), f"{mount!r} is there twice")
    if mounts and "/" not in mounts:
        document.add(("machine", "partition"), "there is none for '/'")
    disk_is_known = "disk" in table.model_fields_set or "disk" not in document.raw["machine"]
    if len(mounts) > _PARTITIONS:
        document.add(("machine", "partition"), f"there are more than {_PARTITIONS}")
    least = sum(each.size[0] for each in table.partition) + _ALIGNED
    if mounts and disk_is_known and least > table.disk:
        document.add(("machine", "partition"), "all of them together do not fit on the disk")


def _look(name: str, problem_of: Callable[[str], str]) -> str:
    try:
        return problem_of(name)
    except OSError as error:
        return f"{name!r} cannot be read: {error.strerror}"
    except RuntimeError:  # what Path.resolve() makes of ELOOP
        return f"{name!r} is a link that leads back to itself"


def _inside(name: str, root: Path) -> tuple[Path, str]:
    path = Path(name)
    resolved = (root / path).resolve()
    if path.is_absolute() or ".." in path.parts or not resolved.is_relative_to(root):
        return resolved, f"{name!r} must be a path below the folder of farm.toml, without '..'"
    return resolved, ""


def _key_problem(name: str, root: Path) -> str:
    path, problem = _inside(name, root)
    if problem:
        return problem
    if not path.is_file():
        return f"there is no file {name!r}"
    lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    if any("PRIVATE KEY" in line for line in lines):
        return f"{name!r} holds a private key; public keys belong there, as in NAME.pub"
    if not lines or not all(_PUBLIC_KEY.fullmatch(line.strip()) for line in lines):
        return f"{name!r} does not hold public keys of OpenSSH, one a line"
    return ""


def _folder_problem(name: str, *, root: Path, state: Path) -> str:
    path, problem = _inside(name, root)
    if problem:
        return problem
    if not path.is_dir():
        return f"there is no folder {name!r}"
    if state.is_relative_to(path):
        return f"{name!r} holds the farm's own state, {state}, and would never stay the same"
    inside = list(path.iterdir())
    if not inside or not all(each.name in _KINDS and each.is_dir() for each in inside):
        return f"{name!r} holds the folders 'files' and 'scripts' and nothing else"
    scripts = path / "scripts"
    for script in sorted(scripts.iterdir()) if scripts.is_dir() else ():
        if script.is_symlink() or not script.is_file() or not _SCRIPT.fullmatch(script.name):
            return f"{name}/scripts/{script.name} is no script: letters, digits, '_' and '-'"
    return ""
