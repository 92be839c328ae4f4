"""A published repository, read by a stranger from a path and over HTTP."""

from __future__ import annotations

import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farm.base.errors import AuditFailed, InputError
from farm.model.artifact import Build
from farm.model.target import Target
from farm.repo.content import Content
from farm.repo.reader import Reader
from tests.integration.repo_samples import Workshop, serve

TRIXIE = Target("trixie", "amd64")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workshop, Content]:
    workshop = Workshop(tmp_path_factory.mktemp("published") / "state")
    shop = workshop.shop
    builds: tuple[Build, ...] = (
        shop.build("libre", "1:1.0-1", packages=["libre0", "libre-dev"]),
        shop.build("web", architecture="all"),
        shop.build("libre", "1:1.0-1+deb13", target=TRIXIE),
    )
    workshop.publish(*builds)
    return workshop, Content("sample", builds)


@pytest.fixture
def copy(published: tuple[Workshop, Content], tmp_path: Path) -> Path:
    """Give a copy of the repository that a test may spoil."""
    shutil.copytree(published[0].pointers / "rc", tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture(params=["path", "file", "http"])
def address(request: pytest.FixtureRequest, published: tuple[Workshop, Content]) -> Iterator[str]:
    folder = published[0].pointers
    if request.param == "http":
        with serve(folder) as (base, _):
            yield f"{base}/rc"
    else:
        yield f"file://{folder}/rc" if request.param == "file" else f"{folder}/rc"


def test_everything_is_found(published: tuple[Workshop, Content], address: str) -> None:
    workshop, content = published
    reader = Reader(address, workshop.keyring())
    assert reader.trust == "keyring"
    assert reader.codenames() == ("bookworm", "trixie")
    assert reader.release("bookworm").suite == "rc"
    assert reader.fingerprint("bookworm") == workshop.key().fingerprint
    found = {(one.entry.distribution, one.entry.file) for one in reader.packages()}
    assert found == {(one.distribution, one.file) for one in content.entries}
    assert {one.entry.name for one in reader.packages("trixie")} == {"libre"}
    assert reader.digest() == content.digest


def test_everything_is_whole(published: tuple[Workshop, Content], address: str) -> None:
    reader = Reader(address, published[0].keyring())
    assert reader.check_indexes() > 12
    files = sum(len(one.paths) for one in reader.packages())
    assert reader.check_pool() == files
    assert reader.check_pool(heads=True) == files


def test_without_a_keyring_it_vouches_for_itself(
    published: tuple[Workshop, Content], address: str
) -> None:
    reader = Reader(address, None)
    assert reader.trust == "self"
    assert reader.fingerprint("trixie") == published[0].key().fingerprint


def test_the_sizes_alone_download_nothing(published: tuple[Workshop, Content]) -> None:
    with serve(published[0].pointers / "rc") as (base, asked):
        reader = Reader(base, None)
        listed = reader.packages()
        del asked[:]
        reader.check_pool(listed, heads=True)
        assert asked
        assert not any("206" in line for line in asked)


def test_another_key_is_refused(published: tuple[Workshop, Content], address: str) -> None:
    reader = Reader(address, published[0].keyring("production"))
    with pytest.raises(InputError, match="InRelease is not good: the key that signed it is not"):
        reader.release("bookworm")


def test_one_state_is_read_whatever_is_switched_meanwhile(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path / "state")
    workshop.publish(workshop.shop.build("libre", "1.0"))
    by_path = Reader(workshop.pointers / "rc", None)
    with serve(workshop.pointers) as (base, _):
        over_http = Reader(f"{base}/rc", None)
        for reader in (by_path, over_http):
            assert reader.release("bookworm").by_hash
        workshop.publish(workshop.shop.build("libre", "1.1"))
        for reader in (by_path, over_http):
            assert {one.entry.version for one in reader.packages()} == {"1.0"}
            reader.check_pool()


def spoil(path: Path) -> None:
    """Change a byte, but not the length; a hard link elsewhere keeps its content."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(bytes([data[0] ^ 1]) + data[1:])


def test_a_changed_pool_file_is_named(copy: Path) -> None:
    spoil(next(copy.glob("pool/**/libre0*.deb")))
    reader = Reader(copy, None)
    with pytest.raises(AuditFailed, match=r"is not whole: pool/\S*libre0_1.0-1_amd64.deb has ano"):
        reader.check_pool()
    assert reader.check_pool(heads=True)


def test_all_missing_pool_files_are_named(copy: Path) -> None:
    for path in copy.glob("pool/main/w/web/*"):
        path.unlink()
    with pytest.raises(AuditFailed, match="and 2 more mistakes") as caught:
        Reader(copy, None).check_pool(heads=True)
    assert caught.value.details.count("is missing in") == 3


def test_a_changed_index_is_refused(copy: Path) -> None:
    for path in copy.glob("dists/bookworm/main/binary-amd64/by-hash/SHA256/*"):
        spoil(path)
    with pytest.raises(AuditFailed, match=r"Packages.xz is not what InRelease vouches for"):
        Reader(copy, None).packages()


def test_a_missing_index_is_found(copy: Path) -> None:
    (copy / "dists/bookworm/main/source/Sources.gz").unlink()
    with pytest.raises(AuditFailed, match=r"source/Sources.gz is missing in .*copy"):
        Reader(copy, None).check_indexes()


def test_a_release_is_that_of_its_folder(copy: Path) -> None:
    shutil.copy(copy / "dists/trixie/InRelease", copy / "dists/bookworm/InRelease")
    with pytest.raises(AuditFailed, match="is that of trixie, not of bookworm"):
        Reader(copy, None).release("bookworm")


def test_a_tampered_release_is_refused(copy: Path) -> None:
    path = copy / "dists/bookworm/InRelease"
    path.write_text(path.read_text().replace("Suite: rc", "Suite: production"))
    with pytest.raises(InputError, match="InRelease is not good: the text was changed"):
        Reader(copy, None).release("bookworm")


@pytest.mark.parametrize(
    "name", ["../keys", "/etc/passwd", "pool/../../keys", "http://example.org/x", "", "a//b", "."]
)
def test_only_names_below_are_fetched(address: str, name: str) -> None:
    with pytest.raises(InputError, match="is not the name of a file of a repository"):
        Reader(address, None).fetch(name)


def test_a_link_that_leads_out_is_not_followed(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (copy / "open").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="open leads out of"):
        Reader(copy, None).fetch("open")


def test_what_is_fetched_is_bounded(address: str) -> None:
    reader = Reader(address, None)
    assert b"codenames" in reader.fetch("repository.json")
    with pytest.raises(InputError, match=r"repository.json is larger than 10 bytes"):
        reader.fetch("repository.json", limit=10)


def test_a_missing_file_is_one_sentence(address: str) -> None:
    with pytest.raises(InputError, match="nothing is missing in "):
        Reader(address, None).fetch("nothing")


@pytest.fixture
def redirecting() -> Iterator[Callable[[str], str]]:
    """Give the address of a server that sends everybody to another address."""
    where = [""]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", where[0])
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()

        def to(address: str) -> str:
            where[0] = address
            return f"http://127.0.0.1:{server.server_port}/rc"

        yield to
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "address", ["http://127.0.0.2/rc/x", "/production/x", "ftp://127.0.0.1/rc/x", "/rc/../x"]
)
def test_a_redirection_that_leads_out_is_refused(
    redirecting: Callable[[str], str], address: str
) -> None:
    with pytest.raises(InputError, match="leads out of the repository"):
        Reader(redirecting(address), None).fetch("x")


def test_a_server_that_does_not_answer_is_one_sentence() -> None:
    with pytest.raises(InputError, match=r"repository.json cannot be read from http"):
        Reader("http://127.0.0.1:1/rc", None).codenames()
