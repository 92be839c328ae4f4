"""A small Debian archive in a folder, signed, for tests that need real apt.

``make_archive(tmp_path, packages=[LocalPackage("hello")])`` gives one; its ``mirror`` is what
``farm.source.archive.Archive`` takes, its ``uri`` and ``keyring`` what apt takes.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from farm.base.run import run
from farm.source.mirror import Mirror, Suite

MINUTE = timedelta(minutes=1)
_CHANGELOG = """{name} ({version}) unstable; urgency=medium

  * A change.

 -- A Maintainer <maintainer@example.org>  Mon, 01 Jan 2024 10:00:00 +0000
"""
_CONTROL = """Source: {name}
Section: misc
Priority: optional
Maintainer: A Maintainer <maintainer@example.org>
Build-Depends: {build_depends}
Standards-Version: 4.6.2

Package: {binary}
Architecture: all
Depends: {depends}
Description: a package of the tests
 It contains next to nothing.
"""
_RULES = """#!/usr/bin/make -f
%:
\tdh $@
"""


@dataclass(frozen=True)
class LocalPackage:
    """A native source package and the binary package that would be built from it.

    :param files: what the binary package installs, by path from the root.
    """

    name: str
    version: str = "1.0"
    binary: str = ""
    depends: str = ""
    build_depends: str = "debhelper-compat (= 13)"
    files: Mapping[str, str] = field(default_factory=dict)


def write_tree(
    folder: Path, package: LocalPackage, *, source_format: str = "3.0 (native)"
) -> Path:
    """Write the source tree of a package, as a maintainer would have it."""
    debian = folder / "debian"
    (debian / "source").mkdir(parents=True, exist_ok=True)
    words = {
        "name": package.name, "version": package.version, "depends": package.depends,
        "binary": package.binary or package.name, "build_depends": package.build_depends,
    }  # fmt: skip
    (debian / "changelog").write_text(_CHANGELOG.format(**words))
    (debian / "control").write_text(_CONTROL.format(**words))
    (debian / "rules").write_text(_RULES)
    (debian / "rules").chmod(0o755)
    (debian / "source" / "format").write_text(f"{source_format}\n")
    for path, text in package.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


class Key:
    """An OpenPGP key without passphrase, and the home that holds it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.gpg("--quick-generate-key", "Test Archive <archive@example.org>", "ed25519", "sign")
        self.keyring = home / "archive.gpg"
        self.gpg("--output", str(self.keyring), "--export")

    def gpg(self, *words: str) -> None:
        argv = ["gpg", "--batch", "--yes", "--quiet", "--passphrase", "", *words]
        run(argv, timeout=MINUTE, env={"GNUPGHOME": str(self.home)})


@contextmanager
def make_key() -> Iterator[Key]:
    """Make a key; its agent ends with the block. The path is short: it has to fit a socket."""
    with tempfile.TemporaryDirectory(prefix="farm-gpg-", ignore_cleanup_errors=True) as home:
        try:
            yield Key(Path(home))
        finally:
            run(["gpgconf", "--kill", "all"], timeout=MINUTE, env={"GNUPGHOME": home}, ok=None)


@dataclass
class LocalArchive:
    """An archive below ``root``; ``keyring`` verifies it."""

    root: Path
    suite: str
    architecture: str
    key: Key

    @property
    def uri(self) -> str:
        return f"file:{self.root}"

    @property
    def keyring(self) -> Path:
        return self.key.keyring

    @property
    def mirror(self) -> Mirror:
        return Mirror((Suite(self.uri, self.suite),), self.keyring)

    @property
    def dist(self) -> Path:
        return self.root / "dists" / self.suite

    @property
    def in_release(self) -> Path:
        return self.dist / "InRelease"

    def add(self, package: LocalPackage) -> None:
        """Put a package into the pool; :meth:`publish` makes it seen."""
        pool = self.root / "pool" / "main" / package.name
        pool.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="farm-archive-") as folder:
            tree = write_tree(Path(folder) / f"{package.name}-{package.version}", package)
            env = {"SOURCE_DATE_EPOCH": "1704103200"}
            run(["dpkg-source", "-q", "--build", tree], timeout=MINUTE, cwd=pool, env=env)
            binary = _binary_tree(Path(folder) / "binary", package)
            run(
                ["dpkg-deb", "--root-owner-group", "--build", binary, pool],
                timeout=MINUTE,
                env=env,
            )

    def publish(self, *, codename: str = "", release: Mapping[str, str] | None = None) -> None:
        """Write the indexes of what is in the pool, and sign them.

        :param release: more fields of the Release file, such as Valid-Until.
        """
        shutil.rmtree(self.dist, ignore_errors=True)
        indexes = {"packages": f"binary-{self.architecture}/Packages", "sources": "source/Sources"}
        for command, path in indexes.items():
            index = self.dist / "main" / path
            index.parent.mkdir(parents=True, exist_ok=True)
            made = run(["apt-ftparchive", command, "pool"], timeout=MINUTE, cwd=self.root)
            index.write_text(made.stdout)
            run(["xz", "-k", index], timeout=MINUTE)
        fields = {
            "Suite": codename or self.suite, "Codename": codename or self.suite,
            "Components": "main", "Architectures": self.architecture,
        }  # fmt: skip
        options = [f"-oAPT::FTPArchive::Release::{key}={text}" for key, text in fields.items()]
        made = run(["apt-ftparchive", *options, "release", self.dist], timeout=MINUTE)
        more = "".join(f"{key}: {text}\n" for key, text in (release or {}).items())
        (self.dist / "Release").write_text(more + made.stdout)
        self.sign()

    def sign(self) -> None:
        """Sign the Release file as it is now."""
        release = str(self.dist / "Release")
        self.key.gpg("--output", str(self.in_release), "--clearsign", release)


def _binary_tree(folder: Path, package: LocalPackage) -> Path:
    name = package.binary or package.name
    control = folder / "DEBIAN" / "control"
    control.parent.mkdir(parents=True)
    control.write_text(
        f"Package: {name}\nSource: {package.name}\nVersion: {package.version}\n"
        "Architecture: all\nMaintainer: A Maintainer <maintainer@example.org>\n"
        + (f"Depends: {package.depends}\n" if package.depends else "")
        + "Description: a package of the tests\n"
    )
    for path, text in package.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def make_archive(
    root: Path,
    *,
    key: Key,
    suite: str = "bookworm",
    architecture: str = "amd64",
    packages: Sequence[LocalPackage] = (),
) -> LocalArchive:
    """Make a signed archive with these packages, sources and binaries."""
    archive = LocalArchive(root, suite, architecture, key)
    (root / "pool").mkdir(parents=True)
    for package in packages:
        archive.add(package)
    archive.publish()
    return archive
