"""A distribution's archive through real apt: what is verified, what is refused, what stays."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.errors import FarmFault, InputError, SourceError
from farm.base.files import sha256_of
from farm.base.run import run
from farm.model.target import Target
from farm.source.archive import Archive
from farm.source.mirror import Mirror, Suite
from tests.integration.debian_archive import (
    Key,
    LocalArchive,
    LocalPackage,
    make_archive,
    make_key,
)

HOUR = timedelta(hours=1)
TARGET = Target("bookworm", "amd64")


@pytest.fixture(scope="module")
def key() -> Iterator[Key]:
    with make_key() as made:
        yield made


@pytest.fixture(scope="module")
def other_key() -> Iterator[Key]:
    with make_key() as made:
        yield made


@pytest.fixture
def local(tmp_path: Path, key: Key) -> LocalArchive:
    packages = [LocalPackage("alpha", binary="libalpha1"), LocalPackage("beta", version="2:1.5")]
    return make_archive(tmp_path / "mirror", key=key, packages=packages)


@pytest.fixture
def archive(tmp_path: Path, local: LocalArchive) -> Archive:
    return Archive(tmp_path / "state", target=TARGET, mirror=local.mirror)


def test_a_source_package_is_found_and_fetched(archive: Archive, tmp_path: Path) -> None:
    archive.ensure_fresh(HOUR)
    record = archive.find_source("beta")
    assert (record.name, record.version) == ("beta", "2:1.5")
    assert archive.fetch_source("beta", tmp_path / "got") == record
    got = {path.name: sha256_of(path) for path in (tmp_path / "got").iterdir()}
    assert got == {file.name: file.sha256 for file in record.files}
    assert not any(path.is_symlink() for path in (tmp_path / "got").iterdir())


def test_the_highest_version_is_found(archive: Archive, local: LocalArchive) -> None:
    local.add(LocalPackage("alpha", version="1.0~rc1"))
    local.add(LocalPackage("alpha", version="1.10"))
    local.add(LocalPackage("alpha", version="1.9"))
    local.publish()
    archive.update()
    assert archive.find_source("alpha").version == "1.10"


def test_other_commands_of_apt_work_on_it(archive: Archive) -> None:
    archive.update()
    shown = run(["apt-cache", "policy", "libalpha1"], timeout=HOUR, env=archive.apt_env())
    assert "Candidate: 1.0" in shown.stdout
    assert "Installed: (none)" in shown.stdout
    sources = archive.sources_list_text(keyring=Path("/k.gpg"))
    assert sources == f"deb [signed-by=/k.gpg] {archive.mirror.suites[0].uri} bookworm main\n"


def test_nothing_of_the_host_is_read(archive: Archive) -> None:
    archive.update()
    targets = run(
        ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE)"], timeout=HOUR,
        env=archive.apt_env(),
    )  # fmt: skip
    assert {line.split()[-1] for line in targets.stdout.splitlines()} == {"bookworm"}
    known = run(["apt-cache", "pkgnames"], timeout=HOUR, env=archive.apt_env())
    assert sorted(known.stdout.split()) == ["beta", "libalpha1"]


def test_a_missing_source_package_is_told_with_a_hint(archive: Archive) -> None:
    archive.update()
    with pytest.raises(SourceError, match="No source package 'libalpha1' in bookworm") as caught:
        archive.find_source("libalpha1")
    assert caught.value.hint == (
        "libalpha1 is a binary package, built by the source package alpha."
    )
    with pytest.raises(SourceError, match="No source package 'alpa'") as caught:
        archive.find_source("alpa")
    assert caught.value.hint == "Is one of these meant: alpha?"
    with pytest.raises(InputError, match="is not a package name"):
        archive.find_source("../alpha")


def test_it_is_read_again_only_when_it_is_old(archive: Archive, local: LocalArchive) -> None:
    archive.ensure_fresh(HOUR)
    before, conf = archive.identity(), archive.apt_conf
    local.add(LocalPackage("gamma"))
    local.publish()
    archive.ensure_fresh(HOUR)
    assert archive.identity() == before
    os.utime(archive.root / "current.json", (1, 1))
    archive.ensure_fresh(HOUR)
    assert archive.identity() != before
    assert archive.find_source("gamma").version == "1.0"
    # Whoever is still at work with the state of before is not disturbed.
    no_cache = ["-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="]
    words = ["apt-cache", *no_cache, "pkgnames"]
    known = run(words, timeout=HOUR, env={"APT_CONFIG": str(conf)})
    assert sorted(known.stdout.split()) == ["beta", "libalpha1"]


def test_the_same_state_of_the_archive_has_the_same_identity(
    archive: Archive, local: LocalArchive, tmp_path: Path
) -> None:
    archive.update()
    before = archive.identity()
    archive.update()
    assert archive.identity() == before
    moved = local.root.rename(tmp_path / "moved")
    mirror = Mirror((Suite(f"file://{moved}", "bookworm"),), local.keyring)
    elsewhere = Archive(tmp_path / "state", target=TARGET, mirror=mirror)
    with pytest.raises(FarmFault, match="has not been read yet"):
        elsewhere.identity()
    elsewhere.update()
    assert elsewhere.identity() == before


def test_a_tampered_release_file_is_refused_and_the_old_lists_stay(
    archive: Archive, local: LocalArchive
) -> None:
    archive.update()
    before = archive.identity()
    text = local.in_release.read_text()
    local.in_release.write_text(text.replace("Components: main", "Components: evil"))
    with pytest.raises(SourceError, match=r"file:\S+ \(bookworm\) is not trusted: .*BADSIG"):
        archive.update()
    assert archive.identity() == before
    assert archive.find_source("alpha").version == "1.0"


def test_a_wrong_key_is_refused(local: LocalArchive, other_key: Key, tmp_path: Path) -> None:
    mirror = Mirror(local.mirror.suites, other_key.keyring)
    archive = Archive(tmp_path / "state", target=TARGET, mirror=mirror)
    with pytest.raises(SourceError, match=r"is not trusted: .*NO_PUBKEY"):
        archive.ensure_fresh(HOUR)
    with pytest.raises(FarmFault, match="has not been read yet"):
        archive.find_source("alpha")


def test_an_index_that_is_not_the_signed_one_is_refused(
    archive: Archive, local: LocalArchive
) -> None:
    index = local.dist / "main" / "source" / "Sources.xz"
    index.write_bytes(index.read_bytes()[:-1] + b"!")
    with pytest.raises(SourceError, match=r"is not trusted: .*(Hash Sum|size)"):
        archive.update()


def test_a_file_that_is_not_the_signed_one_is_refused(
    archive: Archive, local: LocalArchive, tmp_path: Path
) -> None:
    archive.update()
    (tarball,) = local.root.glob("pool/main/alpha/*.tar.xz")
    tarball.write_bytes(tarball.read_bytes()[:-1] + b"!")
    with pytest.raises(SourceError, match=r"is not trusted: .*Hash Sum"):
        archive.fetch_source("alpha", tmp_path / "got")


def test_a_signed_release_file_of_another_suite_is_refused(
    archive: Archive, local: LocalArchive
) -> None:
    local.publish(codename="trixie")
    with pytest.raises(SourceError, match="is not trusted: Conflicting distribution"):
        archive.update()


def test_an_expired_release_file_is_refused(archive: Archive, local: LocalArchive) -> None:
    local.publish(release={"Valid-Until": "Mon, 01 Jan 2024 00:00:00 UTC"})
    with pytest.raises(SourceError, match=r"is not trusted: .* is expired") as caught:
        archive.update()
    assert "clock" in caught.value.hint


def test_what_the_archive_lacks_is_told(local: LocalArchive, tmp_path: Path) -> None:
    def update(architecture: str, suite: Suite) -> None:
        target = Target("bookworm", architecture)
        mirror = Mirror((suite,), local.keyring)
        Archive(tmp_path / "state", target=target, mirror=mirror).update()

    with pytest.raises(SourceError, match=r"lacks what is asked for: .*Release file"):
        update("amd64", Suite(local.uri, "trixie"))
    with pytest.raises(SourceError, match=r"lacks what is asked for: .*component 'contrib'"):
        update("amd64", Suite(local.uri, "bookworm", ("main", "contrib")))
    with pytest.raises(SourceError, match=r"lacks what is asked for: .*architecture 'sparc64'"):
        update("sparc64", Suite(local.uri, "bookworm"))


def test_an_archive_that_is_away_is_the_farms_trouble(
    archive: Archive, local: LocalArchive, tmp_path: Path
) -> None:
    archive.update()
    local.root.rename(tmp_path / "away")
    with pytest.raises(FarmFault, match=r"cannot be used: .*no longer has a Release file"):
        archive.update()
    assert archive.find_source("alpha").version == "1.0"
    refusing = Mirror((Suite("http://127.0.0.1:9/debian", "bookworm"),), local.keyring)
    with pytest.raises(FarmFault, match=r"cannot be used: .*Could not connect"):
        Archive(tmp_path / "state", target=TARGET, mirror=refusing).update()


def test_a_missing_keyring_is_told(local: LocalArchive, tmp_path: Path) -> None:
    mirror = Mirror(local.mirror.suites, tmp_path / "none.gpg")
    with pytest.raises(InputError, match=r"The keyring \S+ for bookworm-amd64 does not exist"):
        Archive(tmp_path / "state", target=TARGET, mirror=mirror).update()


def _ask(archive: Archive) -> str:
    archive.ensure_fresh(HOUR)
    return str(archive.generation.stat().st_ino)


def test_of_several_processes_one_reads_the_archive(archive: Archive) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert len(set(pool.map(_ask, [archive] * 4))) == 1


def test_a_workspace_may_be_moved(archive: Archive, tmp_path: Path) -> None:
    archive.ensure_fresh(HOUR)
    archive.root.rename(tmp_path / "moved")
    moved = Archive(tmp_path / "moved", target=TARGET, mirror=archive.mirror)
    moved.ensure_fresh(HOUR)
    assert moved.find_source("alpha").version == "1.0"
    assert str(archive.root) not in moved.apt_conf.read_text()
