"""Floor 4: a published repository as a place to read from: a folder, or an address."""

from __future__ import annotations

import hashlib
import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import IO, Protocol

from farm.base.errors import InputError
from farm.repo.indexes import check_path

_SOCKET = timedelta(seconds=30)
_PATIENCE = timedelta(minutes=10)
_BLOCK = 1 << 20


class Location(Protocol):
    """Where the files of a repository are; every name is relative, and stays below."""

    def read(self, name: str, *, limit: int) -> bytes:
        """Give a file's bytes.

        :raises InputError: when it is missing, larger than ``limit``, or not below.
        """

    def sum(self, name: str, *, limit: int) -> tuple[str, int]:
        """Give a file's SHA-256 and size; raises as :meth:`read` does."""

    def size(self, name: str) -> int | None:
        """Give a file's size without reading it, None where nobody tells; raises likewise."""

    def folders(self, name: str) -> tuple[str, ...] | None:
        """Give the names of the folders in one, None where that cannot be asked."""


def open_location(text: str | Path) -> Location:
    """Make a location of a path or of a ``file:``, ``http:`` or ``https:`` address.

    :raises InputError: for any other text, and for a folder that does not exist.
    """
    address = urllib.parse.urlsplit(str(text))
    if isinstance(text, Path) or not address.scheme:
        return Folder(Path(text))
    if address.scheme == "file" and address.netloc in ("", "localhost"):
        return Folder(Path(urllib.parse.unquote(address.path)))
    odd = address.query or address.fragment or "@" in address.netloc or not address.hostname
    if address.scheme not in ("http", "https") or odd:
        raise InputError(
            f"{str(text)!r} is not the address of a repository.",
            hint="Give a path, or a file:, http: or https: address without password or query.",
        )
    return Web(str(text))


class Folder:
    """A folder of this machine; a pointer is followed once, so that the state stays one."""

    def __init__(self, path: Path) -> None:
        self._base = path.resolve()
        if not self._base.is_dir():
            raise InputError(f"{path} is not a folder.")

    def __str__(self) -> str:
        return str(self._base)

    def read(self, name: str, *, limit: int) -> bytes:
        """See :class:`Location`."""
        with self._open(name) as stream:
            return b"".join(_blocks(stream, name=name, limit=limit))

    def sum(self, name: str, *, limit: int) -> tuple[str, int]:
        """See :class:`Location`."""
        with self._open(name) as stream:
            return _sum(_blocks(stream, name=name, limit=limit))

    def size(self, name: str) -> int:
        """See :class:`Location`."""
        return self._path(name).stat().st_size

    def folders(self, name: str) -> tuple[str, ...]:
        """See :class:`Location`."""
        return tuple(sorted(path.name for path in (self._base / name).glob("*/")))

    def _open(self, name: str) -> IO[bytes]:
        try:
            return self._path(name).open("rb")
        except OSError as error:
            raise InputError(f"{name} cannot be read: {error.strerror}.") from error

    def _path(self, name: str) -> Path:
        path = (self._base / check_path(name)).resolve()
        if not path.is_relative_to(self._base):
            raise InputError(f"{name} leads out of {self._base}.")
        if not path.is_file():
            raise InputError(f"{name} is missing in {self._base}.")
        return path


class Web:
    """A folder of a web server; redirections that lead out of it are refused."""

    def __init__(self, address: str) -> None:
        self._base = address.rstrip("/") + "/"
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(), urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(), urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(), _Below(self._base),
        ):  # fmt: skip
            self._opener.add_handler(handler)

    def __str__(self) -> str:
        return self._base

    def read(self, name: str, *, limit: int) -> bytes:
        """See :class:`Location`."""
        return b"".join(self._blocks(name, limit=limit))

    def sum(self, name: str, *, limit: int) -> tuple[str, int]:
        """See :class:`Location`."""
        return _sum(self._blocks(name, limit=limit))

    def size(self, name: str) -> int | None:
        """See :class:`Location`."""
        try:
            with self._ask(name, method="HEAD") as answer:
                length = answer.headers.get("Content-Length", "")
        except (OSError, http.client.HTTPException) as error:
            raise _unreadable(name, self._base, error) from error
        return int(length) if length.isdigit() else None

    def folders(self, name: str) -> None:
        """See :class:`Location`."""

    def _ask(self, name: str, *, method: str) -> http.client.HTTPResponse:
        address = self._base + urllib.parse.quote(check_path(name))
        request = urllib.request.Request(  # noqa: S310 - http or https: see open_location
            address, method=method, headers={"User-Agent": "packaging-farm"}
        )
        answer: http.client.HTTPResponse = self._opener.open(request, timeout=_SOCKET.seconds)
        return answer

    def _blocks(self, name: str, *, limit: int) -> Iterator[bytes]:
        try:
            with self._ask(name, method="GET") as answer:
                yield from _blocks(answer, name=name, limit=limit)
        except (OSError, http.client.HTTPException) as error:
            raise _unreadable(name, self._base, error) from error


class _Below(urllib.request.HTTPRedirectHandler):
    """Follows a redirection to the same folder of the same host, from http to https too."""

    def __init__(self, base: str) -> None:
        self._base = urllib.parse.urlsplit(base)

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Refuse what leads elsewhere, then do as usual."""
        to = urllib.parse.urlsplit(newurl)
        same = to.hostname == self._base.hostname and to.path.startswith(self._base.path)
        safe = to.scheme in ("https", self._base.scheme) and ".." not in to.path.split("/")
        if not (same and safe):
            raise InputError(f"{req.full_url} leads out of the repository, to {newurl}.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _blocks(
    stream: IO[bytes] | http.client.HTTPResponse, *, name: str, limit: int
) -> Iterator[bytes]:
    end = time.monotonic() + _PATIENCE.total_seconds()
    seen = 0
    while block := stream.read(_BLOCK):
        seen += len(block)
        if seen > limit:
            raise InputError(f"{name} is larger than {limit} bytes.")
        if time.monotonic() > end:
            raise InputError(f"{name} was still not read after {_PATIENCE}.")
        yield block


def _sum(blocks: Iterator[bytes]) -> tuple[str, int]:
    digest = hashlib.sha256()
    size = 0
    for block in blocks:
        digest.update(block)
        size += len(block)
    return digest.hexdigest(), size


def _unreadable(name: str, base: str, error: Exception) -> InputError:
    if isinstance(error, urllib.error.HTTPError):
        if error.code in (404, 410):
            return InputError(f"{name} is missing in {base}")
        return InputError(f"{name} cannot be read from {base}: {error.code} {error.reason}.")
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return InputError(f"{name} cannot be read from {base}: {reason}.")
