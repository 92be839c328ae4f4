"""Floor 5: who maintains a new package: what the environment or git say, as dch(1) has it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path

from farm.base.errors import FarmFault
from farm.base.run import run

_GIT = timedelta(seconds=10)
# deb-changelog(5) takes the name up to '<'; commas and the like would have to be quoted in
# debian/control. lintian wants a host of two labels, and nobody called root.
_NAME = re.compile(r"[^\W\d_][^<>(),:;@\"\\\[\]\x00-\x1f]*")
_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"
)


@dataclass(frozen=True)
class Maintainer:
    """Name and address, as ``debian/control`` and ``debian/changelog`` have them."""

    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>"


NOBODY = Maintainer("FILL IN YOUR NAME", "you@localhost")
"""Stands where a maintainer is not known: lintian refuses the address, with an error."""


def find_maintainer(
    environ: Mapping[str, str], *, git: Mapping[str, str] | None = None
) -> Maintainer | None:
    """Find out who is at work: from DEBFULLNAME and DEBEMAIL, or else from git's user.

    NAME and EMAIL count too, after the former and before the latter: dch(1). What lintian would
    refuse, such as an address on localhost, is passed over.

    :param git: what :func:`read_git_user` gives.
    :returns: None when nobody is named.
    """
    git = git or {}
    in_address, address = parseaddr(environ.get("DEBEMAIL") or environ.get("EMAIL") or "")
    name = environ.get("DEBFULLNAME") or in_address or environ.get("NAME") or git.get("user.name")
    found = Maintainer((name or "").strip(), (address or git.get("user.email", "")).strip())
    is_root = "root" in (found.name, found.address.partition("@")[0])
    is_usable = _NAME.fullmatch(found.name) and _ADDRESS.fullmatch(found.address)
    return found if is_usable and not is_root else None


def read_git_user(folder: Path) -> dict[str, str]:
    """Ask git for ``user.name`` and ``user.email``; empty where there is no git.

    :param folder: whose configuration counts, besides that of the user.
    """
    try:
        return {
            key: run(["git", "config", key], timeout=_GIT, cwd=folder, ok=(0, 1)).stdout.strip()
            for key in ("user.name", "user.email")
        }
    except FarmFault:  # not installed, or its configuration cannot be read
        return {}
