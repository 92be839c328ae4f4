"""Floor 2: a file from an address or a path into a folder, bounded in time and size."""

from __future__ import annotations

import http.client
import time
import urllib.request
from datetime import timedelta
from email.message import Message
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urljoin, urlsplit

from farm.base.errors import FarmFault, InputError, SourceError

_CHUNK = 256 * 1024
_STALL = timedelta(seconds=30)
_SCHEMES = ("http", "https")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow from the web to the web only: the standard handler goes to ftp too."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str,
        headers: http.client.HTTPMessage | Message, newurl: str,
    ) -> urllib.request.Request | None:  # fmt: skip
        target = urljoin(req.full_url, newurl)
        if urlsplit(target).scheme not in _SCHEMES:
            raise SourceError(f"{req.full_url} redirects to {target!r}, which is no web address.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler, urllib.request.HTTPHandler, urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler, urllib.request.HTTPErrorProcessor, _Redirects,
    ):  # fmt: skip
        opener.add_handler(handler())
    return opener


def is_web_address(text: str) -> bool:
    """Say whether a text is an address that :func:`download` asks the network for.

    :raises InputError: when it looks like an address and is none.
    """
    try:
        return urlsplit(text).scheme in _SCHEMES
    except ValueError as error:
        raise InputError(f"{text!r} is not an address: {error}.") from error


def download(address: str, to: Path, *, limit: int, timeout: timedelta) -> None:
    """Copy what is at an address into a file.

    :param address: http, https or file address, or a path.
    :param limit: bytes; anything longer is refused, and not read to its end.
    :param timeout: of the whole; half a minute without a byte ends it too.
    :raises SourceError: when there is no such file, or it is too long.
    :raises FarmFault: when it cannot be reached or read.
    """
    deadline = time.monotonic() + timeout.total_seconds()
    try:
        with _open(address, timeout=min(_STALL, timeout)) as stream, to.open("wb") as sink:
            seen = 0
            while chunk := stream.read(min(_CHUNK, limit + 1 - seen)):
                seen += len(chunk)
                if seen > limit:
                    raise SourceError(f"The file at {address} is longer than {limit} bytes.")
                if time.monotonic() > deadline:
                    raise FarmFault(f"Fetching {address} took longer than {timeout}.")
                sink.write(chunk)
    except HTTPError as error:
        error.close()
        kind = SourceError if error.code in (404, 410) else FarmFault
        raise kind(f"{address} cannot be fetched: {error.code} {error.reason}.") from error
    except FileNotFoundError as error:
        raise SourceError(f"There is no file {error.filename}.") from error
    except (URLError, OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise FarmFault(
            f"{address} cannot be fetched: {reason}.",
            hint="Look whether this machine reaches it.",
        ) from error


def _open(address: str, *, timeout: timedelta) -> IO[bytes]:
    if is_web_address(address):
        stream: IO[bytes] = _opener().open(address, timeout=timeout.total_seconds())
        return stream
    path = local_path(address)
    if path.exists() and not path.is_file():
        raise SourceError(f"{path} is not a file.")
    return path.open("rb")


def local_path(location: str) -> Path:
    """Give the path that a ``file:`` address or a plain path means."""
    parts = urlsplit(location)
    if parts.scheme != "file":
        return Path(location)
    if parts.netloc not in ("", "localhost"):
        raise SourceError(f"{location!r} names another machine: write file:///path.")
    return Path(urllib.request.url2pathname(parts.path))
