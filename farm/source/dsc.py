"""Floor 2: a source package from a ``.dsc`` file or address whose SHA-256 is pinned."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from farm.base.errors import InputError, SourceError
from farm.base.files import sha256_of
from farm.model.names import check_file
from farm.source.download import download, is_web_address, local_path
from farm.source.package import read_dsc, verify_file

FETCH_TIMEOUT = timedelta(minutes=30)
_DSC_LIMIT = 4 * 2**20


def check_pin(sha256: str) -> str:
    """Give back a SHA-256 in hex, in lower case.

    :raises InputError: for any other text.
    """
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise InputError(
            f"{sha256!r} is not a SHA-256: it has 64 hexadecimal digits.",
            hint="sha256sum FILE.dsc prints it.",
        )
    return sha256.lower()


def fetch_dsc(
    location: str, into: Path, *, sha256: str, timeout: timedelta = FETCH_TIMEOUT
) -> None:
    """Copy a ``.dsc`` and the files that it names, which lie beside it, into a folder.

    The pinned digest is what is trusted: it vouches for the ``.dsc``, which vouches for the
    others. So an OpenPGP signature is not asked for, nor looked at.

    :param location: a path, or a file, http or https address.
    :param timeout: of each file.
    :raises SourceError: when a file is missing, or is not the one that was named.
    :raises FarmFault: when an address cannot be reached.
    """
    pin = check_pin(sha256)
    dsc = into / _name(location)
    download(location, dsc, limit=_DSC_LIMIT, timeout=timeout)
    found = sha256_of(dsc)
    if found != pin:
        raise SourceError(
            f"The file at {location} is not the one that is pinned.",
            details=f"SHA-256 expected: {pin}\nSHA-256 found:    {found}",
            hint="If this change is wanted, write the new digest into the configuration.",
        )
    for file in read_dsc(dsc).files:
        path = into / file.name
        if path == dsc:
            raise SourceError(f"{dsc.name} names itself among its files.")
        download(_beside(location, name=file.name), path, limit=file.size, timeout=timeout)
        verify_file(path, expected=file, of=location)


def _name(location: str) -> str:
    if is_web_address(location):
        name = PurePosixPath(unquote(urlsplit(location).path)).name
    else:
        name = local_path(location).name
    if not name.endswith(".dsc"):
        raise InputError(f"{location!r} is not a .dsc file: its name does not end so.")
    return check_file(name)


def _beside(location: str, *, name: str) -> str:
    """Give the address of another file in the same folder."""
    if not is_web_address(location):
        return str(local_path(location).with_name(name))
    parts = urlsplit(location)
    folder = parts.path.rpartition("/")[0]
    path = f"{folder}/{quote(name, safe='+~:')}"
    return parts._replace(path=path, query="", fragment="").geturl()
