"""Floor 5: what a machine shall be: farm.toml, a candidate and an archive, put into one wish."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from farm.base.files import digest_of, sha256_of
from farm.build.builder import Ground
from farm.config.settings import Machine, Workspace
from farm.machine.fai_space import SERVER, File, Wish
from farm.model.target import Target
from farm.release.candidate import Candidate
from farm.source.archive import Archive

# The distribution's archive as it is signed on this host; its keyring has this name on a machine.
_ARCHIVE_KEYRING = "distribution-archive-keyring.gpg"


@dataclass(frozen=True)
class Subject:
    """What a machine is installed from.

    :param ground: the chroot and resolver of the target.
    """

    candidate: Candidate
    target: Target
    ground: Ground
    archive: Archive


def wish_of(workspace: str, machine: Machine, subject: Subject, *, key: str) -> Wish:
    """Say what the machine of a candidate shall be.

    :param workspace: its name, after which machines are called.
    :param key: the public key with which the farm itself comes in.
    """
    candidate = subject.candidate
    keyring = f"{candidate.label}-{candidate.snapshot.repository.replace('/', '-')}"
    keyring = f"{re.sub('[^A-Za-z0-9.-]', '-', keyring)}-keyring.gpg"
    own = (
        f"Types: deb\nURIs: {SERVER}/candidate\nSuites: {subject.target.distribution}\n"
        f"Components: main\nSigned-By: /usr/share/keyrings/{keyring}\n"
    )
    others = [line.strip() for path in machine.authorized_keys
              for line in path.read_text().splitlines() if line.strip()]  # fmt: skip
    return Wish(
        machine, hostname_of(workspace),
        sources={"1-candidate.sources": own, "2-distribution.sources": _archive(subject)},
        keyrings={keyring: candidate.keyring.read_bytes(),
                  _ARCHIVE_KEYRING: subject.archive.mirror.keyring.read_bytes()},
        authorized_keys=(key, *others), site=site_files(machine),
    )  # fmt: skip


def machine_identity(workspace: Workspace) -> str:
    """Give the digest of what farm.toml wants of a machine, its files included."""
    machine = workspace.machine
    if machine is None:
        return ""
    keys = [sha256_of(path) for path in machine.authorized_keys]
    plain = replace(machine, authorized_keys=(), folder=None)
    site = [[path, file.content.hex(), file.executable]
            for path, file in site_files(machine).items()]  # fmt: skip
    return digest_of([repr(plain), keys, site])


def site_files(machine: Machine) -> dict[str, File]:
    """Read the workspace's own files and scripts for machines."""
    folder = machine.folder
    if folder is None:
        return {}
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            name = path.relative_to(folder).as_posix()
            found[name] = File(path.read_bytes(), bool(path.stat().st_mode & 0o100))
    return found


def hostname_of(name: str) -> str:
    """Make a hostname(7) of a workspace's name."""
    return re.sub("[^a-z0-9-]+", "-", name.lower()).strip("-") or "machine"


def tcp_ports(machine: Machine) -> list[int]:
    """Give the TCP ports on which a machine is to answer."""
    ports = [int(each.partition("/")[2]) for each in machine.listen if each.startswith("tcp/")]
    return [*ports, *([machine.page.port] if machine.page else [])]


def _archive(subject: Subject) -> str:
    """Write the distribution's sources as a machine has them."""
    keyring = f"Signed-By: /usr/share/keyrings/{_ARCHIVE_KEYRING}"
    return "\n".join(
        f"Types: deb\nURIs: {suite.uri}\nSuites: {suite.name}\n"
        f"Components: {' '.join(suite.components)}\n{keyring}\n"
        for suite in subject.archive.mirror.suites
    )
