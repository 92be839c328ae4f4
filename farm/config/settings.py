"""Floor 1: what a workspace consists of, with all defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from farm.base.errors import InputError
from farm.config.choices import (
    Boot,
    Dependencies,
    Firmware,
    ImageFormat,
    InstallerKind,
    Lintian,
    RebuildOn,
    SourceKind,
)
from farm.config.spelling import refuse_unknown
from farm.model.gates import Gate
from farm.model.names import check_repository
from farm.model.target import Target

PRIVATE = "private"
"""Repositories called ``private/NAME`` exist without a table of their own."""


@dataclass(frozen=True)
class TargetConfig:
    """What packages are built for, and from which part of the distribution's archive.

    :param suites: the distribution itself first, then what is laid over it; empty for the
        distribution, and its updates where the mirror has them.
    """

    target: Target
    components: tuple[str, ...]
    suites: tuple[str, ...]


@dataclass(frozen=True)
class Policy:
    """The rules of a workspace.

    :param build_disk: how much a build may write, in bytes.
    :param build_log: how long the log of a build may become, in bytes.
    """

    dependencies: Dependencies
    lintian: Lintian
    rebuild_on: RebuildOn
    build_timeout: timedelta
    build_disk: int
    build_log: int


@dataclass(frozen=True)
class Repository:
    """What users point apt at.

    :param gates: what a snapshot must have passed to enter.
    :param promoted_from: the repository whose snapshots it takes over, if any.
    :param keep: how many former snapshots stay, for rollback.
    :param key: the fingerprint of the OpenPGP key that signs it, in the user's own keyring; a
        key is made on first use when None.
    :param images: of machines, that are made of it when it has changed.
    :param url: where its users find it, if that is known.
    """

    name: str
    gates: tuple[Gate, ...]
    promoted_from: str | None = None
    keep: int = 3
    key: str | None = None
    images: tuple[ImageFormat, ...] = ()
    url: str | None = None


@dataclass(frozen=True)
class Package:
    """A source package, and where its source comes from: one of the three, see ``kind``.

    :param debian: its name in the distribution's archive.
    :param dsc: the address of its ``.dsc``: http, https, or an absolute path.
    :param sha256: the checksum of that.
    :param folder: the folder that holds it, absolute.
    :param targets: the names of the targets it is built for; all when None.
    :param build_options: words for ``DEB_BUILD_OPTIONS``.
    :param timeout: how long its build may take, when not as the policy says.
    :param lintian: the failure level of lintian, when not as the policy says.
    """

    name: str
    debian: str | None = None
    dsc: str | None = None
    sha256: str | None = None
    folder: Path | None = None
    targets: tuple[str, ...] | None = None
    build_options: tuple[str, ...] = ()
    build_profiles: tuple[str, ...] = ()
    timeout: timedelta | None = None
    lintian: Lintian | None = None

    @property
    def kind(self) -> SourceKind:
        """Say where the source comes from."""
        return next(kind for kind in SourceKind if getattr(self, kind) is not None)

    def targets_in(self, workspace: Workspace) -> tuple[TargetConfig, ...]:
        """Give the targets of a workspace that this package is built for."""
        return tuple(
            config
            for config in workspace.targets
            if self.targets is None or str(config.target) in self.targets
        )


@dataclass(frozen=True)
class Partition:
    """A part of a machine's disk.

    :param mount: an absolute path, or ``swap``.
    :param size: at least and at most, in bytes; None for as much as there is.
    """

    mount: str
    size: tuple[int, int | None]


@dataclass(frozen=True)
class Page:
    """A web page that a machine serves.

    :param text: what it shows; ``{version}`` stands for the version of ``package``.
    """

    text: str
    path: str = "/"
    port: int = 80
    package: str | None = None


@dataclass(frozen=True)
class Machine:
    """What a machine shall be that is installed from a candidate.

    :param packages: binary packages, of the candidate and of the distribution.
    :param network: the name of one of libvirt's; empty for one that QEMU makes.
    :param memory: in bytes, as is ``disk``.
    :param partitions: empty for one that holds everything.
    :param authorized_keys: files with public keys of those who may come in as root.
    :param folder: with files and scripts of the workspace's own.
    :param services: units of systemd that are active and enabled.
    :param listen: ports on which something answers, ``tcp/80``.
    :param removable: packages that an upgrade may remove.
    :param timeout: of a whole installation.
    """

    packages: tuple[str, ...]
    installer: InstallerKind = InstallerKind.FAI
    firmware: Firmware = Firmware.BIOS
    boot: Boot = Boot.IPXE
    network: str = ""
    memory: int = 2**30
    cpus: int = 2
    disk: int = 4 * 2**30
    partitions: tuple[Partition, ...] = ()
    locale: str = "C.UTF-8"
    timezone: str = "Etc/UTC"
    authorized_keys: tuple[Path, ...] = ()
    folder: Path | None = None
    services: tuple[str, ...] = ()
    listen: tuple[str, ...] = ()
    page: Page | None = None
    removable: tuple[str, ...] = ()
    timeout: timedelta = timedelta(minutes=30)


@dataclass(frozen=True)
class Workspace:
    """A folder with a farm.toml, and all that this says.

    :param root: the folder.
    :param state_dir: where the farm keeps what it makes.
    :param mirror: ``host`` for what this machine's own apt uses, or an address.
    :param refresh: how old the archive's indexes may become before they are fetched again.
    :param repositories: those with a table of their own.
    :param private: what all of ``private/NAME`` have in common; its own name says nothing.
    :param machine: what is installed from a candidate, if anything is.
    """

    root: Path
    name: str
    state_dir: Path
    mirror: str
    refresh: timedelta
    targets: tuple[TargetConfig, ...]
    policy: Policy
    repositories: Mapping[str, Repository]
    private: Repository
    packages: Mapping[str, Package]
    machine: Machine | None = None

    def repository(self, name: str) -> Repository:
        """Give a repository by name; any ``private/NAME`` exists.

        :raises InputError: when there is none of that name, with the nearest spelling.
        """
        if name in self.repositories:
            return self.repositories[name]
        if name == PRIVATE:
            raise InputError(
                f"{PRIVATE!r} is what private repositories have in common, and none itself.",
                hint=f"Name one: {PRIVATE}/NAME",
            )
        if name.startswith(f"{PRIVATE}/"):
            return replace(self.private, name=check_repository(name))
        raise refuse_unknown(name, kind="repository", known=self.repositories)

    def package(self, name: str) -> Package:
        """Give a package by name.

        :raises InputError: when there is none of that name, with the nearest spelling.
        """
        if name not in self.packages:
            raise refuse_unknown(name, kind="package", known=self.packages)
        return self.packages[name]

    def target(self, name: str) -> TargetConfig:
        """Give a target by name, such as ``bookworm-amd64``.

        :raises InputError: when there is none of that name, with the nearest spelling.
        """
        known = {str(config.target): config for config in self.targets}
        if name not in known:
            raise refuse_unknown(name, kind="target", known=known)
        return known[name]
