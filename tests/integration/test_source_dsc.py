"""A ``.dsc`` from a path or an address, trusted by its pin."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from farm.base.errors import FarmFault, InputError, SourceError
from farm.base.files import sha256_of
from farm.source.dsc import fetch_dsc
from farm.source.folder import make_source
from farm.source.resolve import DscSource
from farm.source.store import SourceStore
from tests.integration.debian_archive import LocalPackage, write_tree

SECONDS = timedelta(seconds=20)


@pytest.fixture
def dsc(tmp_path: Path) -> Path:
    """A source package that lies in a folder."""
    folder = tmp_path / "pool+x y"
    folder.mkdir()
    make_source(write_tree(tmp_path / "tree", LocalPackage("ipbx", version="1.0+x~1")), folder)
    return folder / "ipbx_1.0+x~1.dsc"


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder; ``/to/ADDRESS`` redirects there, ``/stall`` never answers."""

    stop = threading.Event()

    def do_GET(self) -> None:
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path.startswith("/stall"):
            self.stop.wait(30)
        else:
            super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    servers = []

    def start(folder: Path) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    Handler.stop.clear()
    yield start
    Handler.stop.set()
    for server in servers:
        server.shutdown()
        server.server_close()


def fetch(
    location: str | Path, into: Path, *, pin: str, timeout: timedelta = SECONDS
) -> list[str]:
    into.mkdir(exist_ok=True)
    fetch_dsc(str(location), into, sha256=pin, timeout=timeout)
    return sorted(path.name for path in into.iterdir())


NAMES = ["ipbx_1.0+x~1.dsc", "ipbx_1.0+x~1.tar.xz"]


def test_it_comes_from_a_path_or_a_file_address(dsc: Path, tmp_path: Path) -> None:
    pin = sha256_of(dsc)
    assert fetch(dsc, tmp_path / "1", pin=pin.upper()) == NAMES
    assert fetch(dsc.as_uri(), tmp_path / "2", pin=pin) == NAMES


def test_it_comes_over_http_and_through_redirects(
    dsc: Path, tmp_path: Path, serve: Callable[[Path], str]
) -> None:
    url, pin = serve(dsc.parent), sha256_of(dsc)
    assert fetch(f"{url}/{dsc.name}", tmp_path / "1", pin=pin) == NAMES
    assert fetch(f"{url}/to/{url}/{dsc.name}", tmp_path / "2", pin=pin) == NAMES


def test_the_store_keeps_it(dsc: Path, tmp_path: Path) -> None:
    store, source = SourceStore(tmp_path / "store"), DscSource(str(dsc), sha256_of(dsc))
    package = store.ensure(source)
    assert (package.name, package.version) == ("ipbx", "1.0+x~1")
    for path in dsc.parent.iterdir():
        path.unlink()
    assert store.ensure(source) == package


def test_another_file_than_the_pinned_one_is_refused(dsc: Path, tmp_path: Path) -> None:
    pin = sha256_of(dsc)
    dsc.write_text(dsc.read_text() + "\n")
    with pytest.raises(SourceError, match="is not the one that is pinned") as caught:
        fetch(dsc, tmp_path / "1", pin=pin)
    assert pin in caught.value.details
    assert sha256_of(dsc) in caught.value.details


@pytest.mark.parametrize("web", [False, True])
def test_files_that_do_not_match_are_refused(
    dsc: Path, tmp_path: Path, serve: Callable[[Path], str], *, web: bool
) -> None:
    location = f"{serve(dsc.parent)}/{dsc.name}" if web else str(dsc)
    pin, tar = sha256_of(dsc), dsc.with_name(NAMES[1])
    good = tar.read_bytes()
    tar.write_bytes(good[:-1] + b"!")
    with pytest.raises(SourceError, match=r"The file ipbx_\S+xz of .* is not the one") as caught:
        fetch(location, tmp_path / "1", pin=pin)
    assert sha256_of(tar) in caught.value.details
    tar.write_bytes(good[:-1])
    with pytest.raises(SourceError, match=r"The file ipbx_\S+xz of .* is not the one"):
        fetch(location, tmp_path / "2", pin=pin)
    tar.write_bytes(good + b"!")
    with pytest.raises(SourceError, match=f"longer than {len(good)} bytes"):
        fetch(location, tmp_path / "3", pin=pin)
    tar.unlink()
    with pytest.raises(SourceError, match=r"There is no file|404"):
        fetch(location, tmp_path / "4", pin=pin)


@pytest.mark.parametrize("name", ["../../escape", "/etc/passwd", "a/b", ".hidden"])
def test_a_dsc_that_names_other_places_is_refused(dsc: Path, tmp_path: Path, name: str) -> None:
    dsc.write_text(dsc.read_text().replace(NAMES[1], name))
    with pytest.raises(SourceError, match=r"cannot be fetched: .* is not a file name"):
        fetch(dsc, tmp_path / "1", pin=sha256_of(dsc))
    assert [path.name for path in (tmp_path / "1").iterdir()] == [dsc.name]


def test_a_dsc_without_sha256_or_of_nothing_is_refused(dsc: Path, tmp_path: Path) -> None:
    dsc.write_text(dsc.read_text().replace("Checksums-Sha256", "Checksums-Sha255"))
    with pytest.raises(SourceError, match="There is no Checksums-Sha256 field"):
        fetch(dsc, tmp_path / "1", pin=sha256_of(dsc))
    dsc.write_bytes(b"\x7fELF")
    with pytest.raises(SourceError, match=r"is not a \.dsc file"):
        fetch(dsc, tmp_path / "1", pin=sha256_of(dsc))


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("/nowhere/x_1.dsc", "There is no file /nowhere/x_1.dsc"),
        ("/etc/passwd", "is not a .dsc file: its name"),
        ("file://elsewhere/x_1.dsc", "names another machine"),
        ("http://[::1/x_1.dsc", "is not an address"),
        ("ftp://127.0.0.1/x_1.dsc", "There is no file"),
        ("http://127.0.0.1:9/x_1.dsc", "cannot be fetched: .*refused"),
    ],
)
def test_places_where_nothing_is_are_told(tmp_path: Path, location: str, message: str) -> None:
    with pytest.raises((InputError, FarmFault), match=message):
        fetch(location, tmp_path / "1", pin="0" * 64)


def test_folders_and_devices_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "x_1.dsc").mkdir()
    with pytest.raises(SourceError, match="is not a file"):
        fetch(tmp_path / "x_1.dsc", tmp_path / "1", pin="0" * 64)


def test_a_pin_has_a_form() -> None:
    with pytest.raises(InputError, match="is not a SHA-256"):
        fetch_dsc("/x_1.dsc", Path("/"), sha256="abc")


def test_redirects_lead_to_the_web_only(
    dsc: Path, tmp_path: Path, serve: Callable[[Path], str]
) -> None:
    url = serve(dsc.parent)
    for target in (dsc.as_uri(), f"ftp://127.0.0.1/{dsc.name}"):
        with pytest.raises((SourceError, FarmFault), match=r"redirect|not allowed"):
            fetch(f"{url}/to/{target}", tmp_path / "1", pin=sha256_of(dsc))


def test_a_server_that_does_not_answer_is_left(
    tmp_path: Path, serve: Callable[[Path], str]
) -> None:
    with pytest.raises(FarmFault, match=r"cannot be fetched: .*timed out"):
        fetch(f"{serve(tmp_path)}/stall/x_1.dsc", tmp_path / "1", pin="0" * 64,
              timeout=timedelta(seconds=0.5))  # fmt: skip
