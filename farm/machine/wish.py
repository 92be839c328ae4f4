"""Floor 4: what a machine shall be, whatever installs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from farm.config.settings import Machine

SERVER = "@SERVER@"
"""In sources of apt: where this host's server is, put in while the machine is installed."""


@dataclass(frozen=True)
class File:
    """One file of the workspace's own."""

    content: bytes
    executable: bool = False


@dataclass(frozen=True)
class Wish:
    """What a machine shall be.

    :param hostname: hostname(7).
    :param sources: of the candidate and of the distribution: sources.list(5), deb822 form, by
        file name; :data:`SERVER` stands for this host's server.
    :param keyrings: by file name in /usr/share/keyrings.
    :param authorized_keys: who may come in as root, sshd(8).
    :param distribution: the code name of what is installed.
    :param archive: the address of its archive.
    :param site: the workspace's own files and scripts, by path below its folder.
    :param stays: the sources of apt that an image has in the end, by file name; None for a machine
        of the farm's own, which keeps those that it was installed with.
    """

    machine: Machine
    hostname: str
    sources: Mapping[str, str]
    keyrings: Mapping[str, bytes]
    authorized_keys: tuple[str, ...]
    site: Mapping[str, File]
    distribution: str = ""
    archive: str = ""
    stays: Mapping[str, str] | None = None
