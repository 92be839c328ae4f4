"""Small builds, web servers and apt configurations for tests of repositories."""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from farm.base.files import sha256_of
from farm.base.run import Result, run
from farm.model.artifact import BinaryPackage, Build, SourcePackage, StoredFile
from farm.model.target import Target
from farm.repo.content import Content
from farm.repo.reprepro import make_tree
from farm.repo.signing import Key, Keys
from farm.repo.snapshot import Snapshot, Snapshots

MINUTE = timedelta(minutes=1)
BOOKWORM = Target("bookworm", "amd64")
_DSC = """Format: 3.0 (native)
Source: {name}
Binary: {name}
Architecture: any
Version: {version}
Maintainer: A Maintainer <maintainer@example.org>
Standards-Version: 4.6.2
Checksums-Sha256:
 {sha256} {size} {tar}
Files:
 {md5} {size} {tar}
"""


@dataclass
class Shop:
    """Builds that look as if the farm had made them; ``folder`` is their store."""

    folder: Path

    def build(
        self,
        name: str,
        version: str = "1.0",
        *,
        target: Target = BOOKWORM,
        packages: Sequence[str] = (),
        architecture: str = "",
        text: str = "",
        section: str = "misc",
    ) -> Build:
        """Make a source and a ``.deb`` for each of ``packages``, by default one of its name."""
        place = self.folder / f"{name}-{version}-{target}-{len(list(self.folder.glob('*')))}"
        place.mkdir(parents=True)
        source = _source(place, name, version)
        binaries = tuple(
            _deb(
                place, one, version, architecture=architecture or target.architecture, text=text,
                source=name, section=section,
            )
            for one in packages or (name,)
        )  # fmt: skip
        key = sha256_of(binaries[0].file.path)
        return Build(
            name, target, key, source, binaries, source.dsc, source.dsc, place / "log", 1.0
        )


def _stored(path: Path) -> StoredFile:
    return StoredFile(path.name, sha256_of(path), path.stat().st_size, path)


def _source(place: Path, name: str, version: str) -> SourcePackage:
    folder = place / f"{name}-{version}"
    (folder / "debian").mkdir(parents=True)
    (folder / "debian" / "control").write_text(f"Source: {name}\n")
    tar = place / f"{name}_{version.partition(':')[2] or version}.tar.xz"
    still = ["--sort=name", "--owner=0", "--group=0", "--mtime=@0"]
    run(["tar", "-C", place, *still, "-cJf", tar, folder.name], timeout=MINUTE)
    md5 = run(["md5sum", tar], timeout=MINUTE).stdout.split()[0]
    dsc = tar.with_name(tar.name.replace(".tar.xz", ".dsc"))
    dsc.write_text(
        _DSC.format(
            name=name, version=version, sha256=sha256_of(tar), size=tar.stat().st_size,
            tar=tar.name, md5=md5,
        )
    )  # fmt: skip
    digest = sha256_of(dsc)
    return SourcePackage(name, version, digest, _stored(dsc), (_stored(tar),), (name,), "a test")


def _deb(
    place: Path,
    name: str,
    version: str,
    *,
    architecture: str,
    text: str,
    source: str,
    section: str,
) -> BinaryPackage:
    root = place / name
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN").chmod(0o755)
    (root / "usr" / "share" / name).mkdir(parents=True)
    (root / "usr" / "share" / name / "text").write_text(text or f"{name} {version}\n")
    fields = {"Package": name, "Source": source, "Version": version, "Architecture": architecture}
    fields |= {"Section": section} if section else {}
    fields |= {"Maintainer": "A Maintainer <maintainer@example.org>", "Description": "a test"}
    control = "".join(f"{field}: {value}\n" for field, value in fields.items())
    (root / "DEBIAN" / "control").write_text(control)
    bare = version.partition(":")[2] or version
    deb = place / f"{name}_{bare}_{architecture}.deb"
    argv: list[str | Path] = ["dpkg-deb", "--root-owner-group", "--build", root, deb]
    run(argv, timeout=MINUTE, env={"SOURCE_DATE_EPOCH": "0"})
    return BinaryPackage(name, version, architecture, _stored(deb), tuple(fields.items()))


@dataclass
class Workshop:
    """A state folder with keys, snapshots and repositories, and a shop that fills it."""

    root: Path

    def __post_init__(self) -> None:
        self.shop = Shop(self.root / "builds")
        self.keys = Keys(self.root / "keys")
        self.pointers = self.root / "repositories"
        self.snapshots = self.open()

    def open(self) -> Snapshots:
        """Give the snapshots anew, as another process would."""
        return Snapshots(
            self.root / "store" / "snapshots", self.root / "repositories", self.root / "locks"
        )

    def key(self, repository: str = "rc") -> Key:
        """Give the key of a repository."""
        return self.keys.key(repository, fingerprint=None, owner="Sample")

    def stage(self, *builds: Build, repository: str = "rc") -> Snapshot:
        """Make a snapshot that is not switched to."""
        return self.snapshots.ensure(
            Content("sample", builds), repository=repository, origin="Sample",
            key=self.key(repository), keep_from=self.snapshots.current(repository),
        )  # fmt: skip

    def publish(self, *builds: Build, repository: str = "rc") -> Snapshot:
        """Make a snapshot and switch to it."""
        snapshot = self.stage(*builds, repository=repository)
        self.snapshots.switch(repository, snapshot)
        return snapshot

    def tree(
        self, folder: Path, *builds: Build, former: Sequence[Path] = (), seconds: int = 0
    ) -> Path:
        """Make a tree alone, dated some seconds from now."""
        folder.mkdir(parents=True)
        make_tree(
            folder, content=Content("sample", builds), repository="rc", origin="Sample",
            key=self.key(), former=former,
            date=datetime.now(UTC) + timedelta(seconds=seconds),
        )  # fmt: skip
        return folder

    def keyring(self, repository: str = "rc") -> Path:
        """Give a file with the public key of a repository."""
        path = self.root / f"{repository.replace('/', '+')}.gpg"
        path.write_bytes(self.key(repository).export())
        return path


@dataclass
class Apt:
    """A client with a configuration of its own that knows one repository."""

    folder: Path
    address: str
    keyring: Path

    def __post_init__(self) -> None:
        for name in ("lists/partial", "cache/archives/partial"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "status").touch()
        where = f"signed-by={self.keyring}] {self.address} bookworm main"
        lines = f"deb [arch=amd64 {where}\ndeb-src [{where}\n"
        (self.folder / "sources.list").write_text(lines)
        settings = {
            "Dir::Etc::sourcelist": self.folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null", "Dir::Etc::parts": "/dev/null",
            "Dir::Etc::main": "/dev/null", "Dir::Etc::trusted": "/dev/null",
            "Dir::Etc::trustedparts": "/dev/null", "Dir::State": self.folder,
            "Dir::State::status": self.folder / "status", "Dir::Cache": self.folder / "cache",
            "APT::Architecture": "amd64", "APT::Architectures": "amd64",
            "APT::Sandbox::User": "root", "APT::Update::Error-Mode": "any",
            "Acquire::Languages": "none", "Acquire::http::Proxy": "DIRECT",
        }  # fmt: skip
        text = "".join(f'{name} "{value}";\n' for name, value in settings.items())
        (self.folder / "apt.conf").write_text(text)

    def run(self, *words: str, ok: Sequence[int] | None = (0,)) -> Result:
        """Run a command of apt."""
        return run(
            words, timeout=MINUTE, cwd=self.folder, ok=ok,
            env={"APT_CONFIG": os.fspath(self.folder / "apt.conf")},
        )  # fmt: skip

    def update(self) -> None:
        """Read the indexes of the repository; every mistake is an error."""
        self.run("apt-get", "update")

    def versions(self) -> dict[str, str]:
        """Give what can be installed."""
        lines = self.run("apt-cache", "dumpavail").stdout.splitlines()
        fields = [line.partition(": ")[::2] for line in lines]
        names = [value for name, value in fields if name == "Package"]
        versions = [value for name, value in fields if name == "Version"]
        return dict(zip(names, versions, strict=True))


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder on the loopback; yields its address and the paths asked for so far."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            asked.append(f"{int(code)} {self.path}")

        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = functools.partial(Handler, directory=os.fspath(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()
