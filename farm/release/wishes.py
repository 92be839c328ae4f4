"""Floor 5: what a machine shall be: farm.toml, a candidate and an archive, put into one wish."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from farm.base.files import digest_of, sha256_of
from farm.build.builder import Ground
from farm.config.settings import Machine, Workspace
from farm.machine.medium import DISTRIBUTION
from farm.machine.wish import SERVER, File, Wish
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
    others = [line.strip() for path in machine.authorized_keys
              for line in path.read_text().splitlines() if line.strip()]  # fmt: skip
    return Wish(
        machine, hostname_of(workspace),
        sources={"1-candidate.sources": _own(subject, at=f"{SERVER}/candidate"),
                 "2-distribution.sources": _archive(subject)},
        keyrings={_keyring(candidate): candidate.keyring.read_bytes(),
                  _ARCHIVE_KEYRING: subject.archive.mirror.keyring.read_bytes()},
        authorized_keys=(key, *others), site=site_files(machine),
        distribution=subject.target.distribution, archive=subject.archive.mirror.suites[0].uri,
    )  # fmt: skip


def image_wish(wish: Wish, subject: Subject, *, url: str | None) -> Wish:
    """Say what an image shall be: the same machine, which the farm cannot enter.

    :param url: where users find the repository; without it the image has no source for it.
    """
    own = {"1-repository.sources": _own(subject, at=url)} if url else {}
    stays = {**own, "2-distribution.sources": _archive(subject)}
    return replace(wish, authorized_keys=wish.authorized_keys[1:], stays=stays)


def medium_wish(wish: Wish) -> Wish:
    """Let a machine take the distribution's packages from the medium, where they are not signed.

    The farm has verified them when it put them there; the medium itself is signed.
    """
    media = f"Types: deb\nURIs: {SERVER}/{DISTRIBUTION}\nSuites: ./\nTrusted: yes\n"
    return replace(wish, sources={**wish.sources, "2-distribution.sources": media})


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


def _keyring(candidate: Candidate) -> str:
    name = f"{candidate.label}-{candidate.snapshot.repository.replace('/', '-')}"
    return f"{re.sub('[^A-Za-z0-9.-]', '-', name)}-keyring.gpg"


def _own(subject: Subject, *, at: str) -> str:
    """Write the repository's source as a machine has it."""
    return (
        f"Types: deb\nURIs: {at}\nSuites: {subject.target.distribution}\n"
        f"Components: main\nSigned-By: /usr/share/keyrings/{_keyring(subject.candidate)}\n"
    )


def _archive(subject: Subject) -> str:
    """Write the distribution's sources as a machine has them."""
    keyring = f"Signed-By: /usr/share/keyrings/{_ARCHIVE_KEYRING}"
    return "\n".join(
        f"Types: deb\nURIs: {suite.uri}\nSuites: {suite.name}\n"
        f"Components: {' '.join(suite.components)}\n{keyring}\n"
        for suite in subject.archive.mirror.suites
    )
