"""Floor 1: the names of the gates that a repository may ask for."""

from __future__ import annotations

from enum import StrEnum


class Gate(StrEnum):
    """A named group of checks that a snapshot must have passed to enter a repository."""

    BUILD = "build"
    """Every package is built."""
    REPOSITORY = "repository"
    """apt itself, the policies of the workspace and lintian accept the packages."""
    LIFECYCLE = "lifecycle"
    """Every package can be removed, purged, installed again, and upgraded from what users have."""
    HOWTO = "howto"
    """Every package works as its HOWTO says."""
    INSTALL = "install"
    """A machine is installed from it over the network, and is as it should be."""
    UPGRADE = "upgrade"
    """A machine of what was released before is upgraded to it, and is as it should be."""
