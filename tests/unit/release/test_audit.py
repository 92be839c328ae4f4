"""Audits of a small repository that was really signed and published."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from farm.base.errors import FarmFault, InputError
from farm.base.files import digest_of, sha256_of
from farm.base.run import run
from farm.model.artifact import BinaryPackage, Build, SourcePackage, StoredFile
from farm.model.target import Target
from farm.model.verdict import State, Verdict
from farm.release.audit import Audit, audit
from farm.release.conditions import judge_order
from farm.release.gates import HowtoFile, Unit
from farm.release.order import Desk, Order
from farm.release.promotion import promote, rollback
from farm.repo.content import Content
from farm.repo.signing import Key, Keys
from farm.repo.snapshot import Snapshots
from farm.repo.state import Snapshot
from farm.report.ledger import Ledger
from farm.report.receipt import RECEIPT, SIGNATURE

UNIT = Unit("hello", Target("bookworm", "amd64"))
HOWTO = HowtoFile(UNIT, "howtos/hello.md", "howto-digest")
TRIED = "howto/howtos/hello.md::howto[hello@bookworm-amd64]"
MINUTE = timedelta(minutes=1)
CONTROL = """\
Package: hello
Version: {version}
Architecture: all
Maintainer: A Maintainer <maintainer@example.org>
Section: misc
Priority: optional
Description: says hello
"""
DSC = """\
Format: 3.0 (native)
Source: hello
Binary: hello
Architecture: all
Version: {version}
Maintainer: A Maintainer <maintainer@example.org>
Checksums-Sha1:
 {sha1} {size} {name}
Checksums-Sha256:
 {sha256} {size} {name}
Files:
 {md5} {size} {name}
"""


def stored(path: Path) -> StoredFile:
    return StoredFile(path.name, sha256_of(path), path.stat().st_size, path)


def make_build(root: Path, version: str) -> Build:
    folder = root / version
    (folder / "deb/DEBIAN").mkdir(parents=True)
    (folder / "deb/DEBIAN/control").write_text(CONTROL.format(version=version))
    deb = folder / f"hello_{version}_all.deb"
    run(["dpkg-deb", "--root-owner-group", "--build", folder / "deb", deb], timeout=MINUTE)
    tar = folder / f"hello_{version}.tar.xz"
    run(["tar", "-C", folder / "deb", "-cJf", tar, "DEBIAN"], timeout=MINUTE)
    sums = {
        name: run([f"{name}sum", tar], timeout=MINUTE).stdout.split()[0]
        for name in ("md5", "sha1", "sha256")
    }
    dsc = folder / f"hello_{version}.dsc"
    dsc.write_text(DSC.format(version=version, name=tar.name, size=tar.stat().st_size, **sums))
    source = SourcePackage(
        "hello", version, digest_of(version), stored(dsc), (stored(tar),), ("hello",), "a test"
    )
    fields = tuple(line.split(": ", 1) for line in CONTROL.format(version=version).splitlines())
    binary = BinaryPackage("hello", version, "all", stored(deb), fields)  # type: ignore[arg-type]
    key = digest_of(["key", version])
    return Build("hello", UNIT.target, key, source, (binary,), stored(dsc), stored(dsc), dsc, 1.0)


class Shop:
    """A workspace whose repository ``production`` was published with real tools."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.builds: dict[str, Build] = {}
        self.ledger = Ledger(root / "ledger.sqlite")
        self.keys = Keys(root / "keys")
        self.snapshots = Snapshots(root / "snapshots", root / "repositories", root / "locks")
        self.desk = Desk("shop", self.snapshots, self.ledger, root / "locks", root / "receipts")
        self.ledger.expect(
            HOWTO.digest,
            gate="howto",
            source=HOWTO.source,
            items=["howto/a[hello@bookworm-amd64]"],
        )
        self.production = root / "repositories/production"
        self.keyring = root / "keyring.gpg"

    def build(self, version: str) -> Build:
        if version not in self.builds:
            self.builds[version] = make_build(self.root / "store", version)
        return self.builds[version]

    def key(self) -> Key:
        return self.keys.key("production", fingerprint=None, owner="shop")

    def other_key(self) -> Key:
        return self.keys.key("other", fingerprint=None, owner="shop")

    def publish(self, version: str, *, gates: tuple[str, ...]) -> None:
        content = Content("shop", (self.build(version),))
        order = Order("production", content, gates, self.key, howtos=(HOWTO,))
        for report in judge_order(order, ledger=self.ledger).values():
            for r in (item.requirement for item in report.items):
                self.ledger.record(
                    Verdict(
                        r.item, r.gate, State.PASSED, "", r.digest, r.inputs, 1,
                        datetime.now(UTC), "run-1",
                    )
                )  # fmt: skip
        promote(order, desk=self.desk)
        self.keyring.write_bytes(self.key().export())


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop(tmp_path_factory.mktemp("shop"))
    shop.publish("1.0", gates=("build", "repository"))
    shop.publish("1.1", gates=("build", "repository", "howto"))
    yield shop
    shop.ledger.close()


@pytest.fixture
def tree(shop: Shop, tmp_path: Path) -> Path:
    """A copy of production that a test may spoil."""
    return Path(shutil.copytree(shop.production.resolve(), tmp_path / "tree"))


def briefs(found: Audit) -> str:
    return "\n".join(f"{one.part}: {one.brief}" for one in found.findings)


def test_a_repository_that_is_what_its_receipt_says(shop: Shop) -> None:
    found = audit(shop.production, keyring=shop.keyring, require=["build", "repository", "howto"])
    assert briefs(found) == ""
    assert found.passed
    assert [(gate.name, gate.passed, gate.required) for gate in found.gates] == [
        ("build", 1, 1), ("repository", 7, 7), ("howto", 1, 1),
    ]  # fmt: skip
    assert found.key == shop.key().fingerprint
    assert json.loads(json.dumps(dataclasses.asdict(found)))["repository"] == "production"
    assert found.lines()[-1].startswith("Everything is as the receipt says: ")


def test_over_http_it_is_the_same(shop: Shop) -> None:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = partial(Quiet, directory=str(shop.production.resolve()))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_port}"
            assert audit(address, keyring=shop.keyring).passed
        finally:
            server.shutdown()
            thread.join()


def test_without_a_keyring_the_repository_vouches_for_itself(shop: Shop) -> None:
    found = audit(shop.production, keyring=None)
    assert found.passed
    assert any("but not whose it is" in line for line in found.lines())


def test_a_gate_that_is_required_and_missing_is_named(shop: Shop) -> None:
    found = audit(shop.production, keyring=shop.keyring, require=["install"])
    assert briefs(found) == "gates: The install gate is missing: the receipt says nothing of it."


def test_a_state_that_was_returned_to_is_still_what_its_receipt_says(shop: Shop) -> None:
    rollback("production", desk=shop.desk)
    try:
        found = audit(shop.production, keyring=shop.keyring)
        assert found.passed
        assert [gate.name for gate in found.gates] == ["build", "repository"]
        missing = audit(shop.production, keyring=shop.keyring, require=["howto"])
        assert "The howto gate is missing" in briefs(missing)
    finally:
        shop.publish("1.1", gates=("build", "repository", "howto"))


def spoil_package(tree: Path) -> None:
    (path,) = tree.glob("pool/**/hello_1.1_all.deb")
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-1] + b"!")


def spoil_receipt(tree: Path) -> None:
    path = tree / RECEIPT
    path.write_text(path.read_text().replace('"passed"', '"waived"'))


def drop_receipt(tree: Path) -> None:
    (tree / RECEIPT).unlink()


def drop_signature(tree: Path) -> None:
    (tree / SIGNATURE).unlink()


def spoil_release(tree: Path) -> None:
    path = tree / "dists/bookworm/InRelease"
    path.write_text(path.read_text().replace("Origin: shop", "Origin: else"))


def drop_index(tree: Path) -> None:
    shutil.rmtree(tree / "dists/bookworm/main")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (spoil_package, "files: .*hello_1.1_all.deb has another content"),
        (spoil_receipt, "receipt: The signature of receipt.json is not good"),
        (drop_receipt, "receipt: receipt.json is missing"),
        (drop_signature, "receipt: receipt.json.asc is missing"),
        (spoil_release, "indexes: The signature of InRelease is not good"),
        (drop_index, "indexes: .* missing"),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_what_was_spoiled_is_found(
    shop: Shop, tree: Path, spoil: Callable[[Path], None], told: str
) -> None:
    spoil(tree)
    found = audit(tree, keyring=shop.keyring)
    assert not found.passed
    assert re.search(told, briefs(found)), briefs(found)


@pytest.mark.parametrize(
    "text",
    ["", "[" * 100_000, '{"keyring": "../../etc/passwd"}', '{"keyring": 5}', "\x1b[31m", "null"],
    ids=["empty", "deep", "escape", "number", "terminal", "null"],
)
def test_a_hostile_description_gives_sentences(tree: Path, text: str) -> None:
    (tree / "repository.json").write_text(text)
    found = audit(tree, keyring=None)
    assert not found.passed
    assert "\x1b" not in "\n".join(found.lines())


def test_the_receipt_of_another_state_is_found(shop: Shop, tree: Path) -> None:
    first = Path(shop.ledger.publications("production")[0].receipt).parent
    for name in (RECEIPT, SIGNATURE):
        shutil.copy(first / name, tree / name)
    told = briefs(audit(tree, keyring=shop.keyring))
    assert "files: The indexes hold another content than the candidate" in told
    assert "files are served, and the receipt does not know them" in told


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"repository": "production"', '"repository": "rc"', "files: The receipt is that of rc"),
        ('"key": "', '"key": "X', "receipt: The receipt is signed by .*, and says that X"),
    ],
    ids=["repository", "key"],
)
def test_a_receipt_that_says_something_else_is_found(
    shop: Shop, tree: Path, old: str, new: str, told: str
) -> None:
    path = tree / RECEIPT
    path.write_text(path.read_text().replace(old, new))
    shop.key().detach_sign(path, tree / SIGNATURE)
    assert re.search(told, briefs(audit(tree, keyring=shop.keyring)))


def test_a_receipt_signed_by_another_key_that_is_trusted_is_found(shop: Shop, tree: Path) -> None:
    other = shop.other_key()
    other.detach_sign(tree / RECEIPT, tree / SIGNATURE)
    both = tree.parent / "both.gpg"
    both.write_bytes(shop.keyring.read_bytes() + other.export())
    told = briefs(audit(tree, keyring=both))
    assert f"The receipt is signed by {other.fingerprint}, the indexes by" in told


def test_a_foreign_key_is_found(shop: Shop, tmp_path: Path) -> None:
    keyring = tmp_path / "other.gpg"
    keyring.write_bytes(shop.other_key().export())
    told = briefs(audit(shop.production, keyring=keyring))
    assert "indexes: The signature of InRelease is not good: the key" in told
    assert "receipt: The signature of receipt.json is not good: the key" in told


def test_a_keyring_that_is_not_there_is_a_mistake_of_the_user(shop: Shop) -> None:
    with pytest.raises(InputError, match="does not exist"):
        audit(shop.production, keyring=shop.root / "nowhere.gpg")


def spoil_pool(made: Snapshot, _: Key) -> None:
    (path,) = made.path.glob("pool/**/hello_1.2_all.deb")
    path.unlink()
    path.write_text("bits have rotted")


def sign_with_another_key(made: Snapshot, other: Key) -> None:
    folder = made.path / "dists/bookworm"
    other.clearsign(folder / "Release", folder / "InRelease")
    (keyring,) = made.path.glob("*-keyring.gpg")
    keyring.write_bytes(other.export())


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (spoil_pool, r"cannot be published: .*hello_1\.2_all\.deb"),
        (sign_with_another_key, "cannot be published: The signature of InRelease is not good"),
    ],
    ids=["pool", "key"],
)
def test_a_snapshot_that_was_tampered_with_is_not_published(
    shop: Shop, spoil: Callable[[Snapshot, Key], None], told: str
) -> None:
    content = Content("shop", (shop.build("1.2"),))
    order = Order("production", content, (), shop.key)
    made = shop.snapshots.ensure(
        content, repository="production", origin="shop", key=shop.key(), keep_from=None
    )
    spoil(made, shop.other_key())
    with pytest.raises(FarmFault, match=told):
        promote(order, desk=shop.desk)
    shutil.rmtree(made.path.parent)
