"""Floor 4: what a machine asks this host for while it is installed: files, and where to report.

An HTTP server on one address, which gives out exactly what it is told to and takes log files; and
the monitor of FAI, to which the installer says in one line a connection what it is doing, see
fai-monitor(8). The machine is hostile: it may ask for anything and send anything.
"""

from __future__ import annotations

import contextlib
import http.server
import re
import shutil
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LARGEST_LOG = 64 * 2**20
_MOST_LOGS = 16
_LOG_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PATIENCE_SECONDS = 30
_LINE = 1000


@dataclass(frozen=True)
class Offer:
    """What is given out, and where what comes in goes.

    :param files: by path below the root, without a slash in front.
    :param trees: folders by the first part of the path; what lies outside of one is not given.
    :param uploads: the folder for logs.
    :param kind: the Content-Type of everything.
    :param heard: told each line that the installer's monitor sends.
    :param asked: told each path that was asked for, and how the answer was.
    """

    files: Mapping[str, Path] = field(default_factory=dict)
    trees: Mapping[str, Path] = field(default_factory=dict)
    uploads: Path | None = None
    kind: str = "application/octet-stream"
    heard: Callable[[str], None] = lambda _: None
    asked: Callable[[str, int], None] = lambda _, __: None


@dataclass(frozen=True)
class Served:
    """Where the servers are: the address is that of this host."""

    address: str
    port: int
    monitor_port: int


@contextlib.contextmanager
def serve(offer: Callable[[Served], Offer], *, address: str = "127.0.0.1") -> Iterator[Served]:
    """Serve for as long as the block runs, on free ports.

    :param offer: what is served may name the ports.
    """
    with _Http((address, 0), _Answer) as server, _Monitor((address, 0), _Hear) as monitor:
        served = Served(address, server.server_address[1], monitor.server_address[1])
        server.offer = monitor.offer = offer(served)
        threads = [threading.Thread(target=each.serve_forever, name="farm-serve", daemon=True)
                   for each in (server, monitor)]  # fmt: skip
        for thread in threads:
            thread.start()
        try:
            yield served
        finally:
            for each in (server, monitor):
                each.shutdown()


class _Http(http.server.ThreadingHTTPServer):
    daemon_threads = True
    offer: Offer = Offer()


class _Monitor(socketserver.ThreadingTCPServer):
    daemon_threads = True
    offer: Offer = Offer()


class _Hear(socketserver.StreamRequestHandler):
    """One line of the monitor: ``HOST VERB ...``."""

    timeout = _PATIENCE_SECONDS
    server: _Monitor

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            line = self.rfile.readline(_LINE).decode(errors="replace").strip()
            self.server.offer.heard(line)


class _Answer(http.server.BaseHTTPRequestHandler):
    """One connection of a machine."""

    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE_SECONDS
    server: _Http

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: ``asked`` is told."""

    def do_GET(self) -> None:
        self._give(whole=True)

    def do_HEAD(self) -> None:
        self._give(whole=False)

    def _give(self, *, whole: bool) -> None:
        path = unquote(urlsplit(self.path).path).lstrip("/")
        offer = self.server.offer
        file = offer.files.get(path) or _below(offer.trees, path)
        if file is None or not file.is_file():
            self._end(404)
            return
        with file.open("rb") as stream:
            self._begin(file.stat().st_size)
            if whole:
                shutil.copyfileobj(stream, self.wfile, 1 << 20)

    def _begin(self, length: int) -> None:
        self.server.offer.asked(self.path, 200)
        self.send_response(200)
        self.send_header("Content-Type", self.server.offer.kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _end(self, status: int) -> None:
        self.server.offer.asked(self.path, status)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_PUT(self) -> None:
        name = self.path.rpartition("/")[2]
        length = self.headers.get("Content-Length", "")
        folder = self.server.offer.uploads
        known = length.isdecimal() and int(length) <= _LARGEST_LOG and _LOG_NAME.fullmatch(name)
        if folder is None or not known or len(list(folder.iterdir())) >= _MOST_LOGS:
            self.close_connection = True
            self._end(403)
            return
        left = int(length)
        half = folder / f".{name}"
        with half.open("wb") as sink:
            while left and (data := self.rfile.read(min(left, 1 << 16))):
                sink.write(data)
                left -= len(data)
        if left:  # it hung up: half a log is none
            half.unlink(missing_ok=True)
            self.close_connection = True
            return
        half.replace(folder / name)
        self._end(201)


def _below(trees: Mapping[str, Path], path: str) -> Path | None:
    first, _, rest = path.partition("/")
    tree = trees.get(first)
    if tree is None:
        return None
    root = tree.resolve()
    file = (root / rest).resolve()
    return file if file.is_relative_to(root) else None
