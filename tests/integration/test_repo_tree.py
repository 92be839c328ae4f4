"""A repository made by reprepro: what lies where, and what real apt says to it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from farm.base.errors import CommandError, InputError
from farm.base.files import sha256_of
from farm.model.target import Target
from farm.repo.content import Content
from farm.repo.indexes import parse_packages, parse_release, parse_sources
from tests.integration.repo_samples import BOOKWORM, Apt, Workshop, serve

ARM = Target("bookworm", "arm64")
TRIXIE = Target("trixie", "amd64")


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "state")


def test_apt_reads_it_from_a_path(workshop: Workshop, tmp_path: Path) -> None:
    tree = workshop.tree(tmp_path / "tree", workshop.shop.build("libre"))
    apt = Apt(tmp_path / "apt", f"file:{tree}", workshop.keyring())
    apt.update()
    assert apt.versions() == {"libre": "1.0"}


def test_apt_reads_it_over_http_by_hash_and_downloads(workshop: Workshop, tmp_path: Path) -> None:
    build = workshop.shop.build("sipsak", "1:2.0-1")
    tree = workshop.tree(tmp_path / "tree", build)
    with serve(tree) as (address, asked):
        apt = Apt(tmp_path / "apt", address, workshop.keyring())
        apt.update()
        apt.run("apt-get", "download", "sipsak")
        apt.run("apt-get", "source", "--download-only", "sipsak")
    indexes = [line for line in asked if "Packages" in line or "by-hash" in line]
    assert indexes
    assert all("/by-hash/SHA256/" in line for line in indexes)
    assert sha256_of(next(apt.folder.glob("*.deb"))) == build.binaries[0].file.sha256
    assert sha256_of(next(apt.folder.glob("*.dsc"))) == build.source.dsc.sha256


def test_apt_refuses_a_release_that_was_tampered_with(workshop: Workshop, tmp_path: Path) -> None:
    tree = workshop.tree(tmp_path / "tree", workshop.shop.build("libre"))
    for path in (tree / "dists" / "bookworm").glob("*Release"):
        path.write_text(path.read_text().replace("Origin: Sample", "Origin: Simple"))
    apt = Apt(tmp_path / "apt", f"file:{tree}", workshop.keyring())
    with pytest.raises(CommandError, match="BADSIG"):
        apt.update()


def test_apt_refuses_the_key_of_another_repository(workshop: Workshop, tmp_path: Path) -> None:
    tree = workshop.tree(tmp_path / "tree", workshop.shop.build("libre"))
    apt = Apt(tmp_path / "apt", f"file:{tree}", workshop.keyring("production"))
    with pytest.raises(CommandError, match="NO_PUBKEY"):
        apt.update()


def test_release_says_whose_it_is(workshop: Workshop, tmp_path: Path) -> None:
    tree = workshop.tree(tmp_path / "tree", workshop.shop.build("libre"))
    release = parse_release((tree / "dists/bookworm/Release").read_text())
    said = (release.origin, release.label, release.suite, release.codename, release.components)
    assert said == ("Sample", "Sample", "rc", "bookworm", ("main",))
    assert release.by_hash
    assert release.architectures == ("amd64",)
    forms = {Path(name).name for name in release.files}
    assert forms == {
        f"{kind}{end}" for kind in ("Packages", "Sources") for end in ("", ".gz", ".xz")
    }


def test_pool_files_are_those_of_the_store(workshop: Workshop, tmp_path: Path) -> None:
    build = workshop.shop.build("libre", packages=["libre0", "libre-dev"])
    tree = workshop.tree(tmp_path / "tree", build)
    pool = tree / "pool/main/libr/libre"
    expected = [one.file for one in build.binaries] + [build.source.dsc, *build.source.files]
    assert {path.name for path in pool.iterdir()} == {one.name for one in expected}
    for stored in expected:
        assert (pool / stored.name).samefile(stored.path)


def test_what_works_inside_is_not_published(workshop: Workshop, tmp_path: Path) -> None:
    tree = workshop.tree(tmp_path / "a" / "tree", workshop.shop.build("libre"))
    assert {path.name for path in tree.iterdir()} == {
        "dists", "pool", "repository.json", "sample-rc-keyring.asc", "sample-rc-keyring.gpg",
        "sample-rc.sources",
    }  # fmt: skip
    assert [path.name for path in tree.parent.iterdir()] == ["tree"]


def test_architecture_all_is_in_the_index_of_every_architecture(
    workshop: Workshop, tmp_path: Path
) -> None:
    shop = workshop.shop
    builds = [
        shop.build("web", architecture="all"),
        shop.build("web", architecture="all", target=ARM),
        shop.build("sipsak", target=ARM),
    ]
    tree = workshop.tree(tmp_path / "tree", *builds)
    found = {}
    for architecture in ("amd64", "arm64"):
        path = tree / f"dists/bookworm/main/binary-{architecture}/Packages"
        listed = parse_packages(path.read_text(), distribution="bookworm")
        found[architecture] = [one.entry.name for one in listed]
    assert found == {"amd64": ["web"], "arm64": ["sipsak", "web"]}


def test_distributions_are_apart_and_share_a_pool(workshop: Workshop, tmp_path: Path) -> None:
    shop = workshop.shop
    tree = workshop.tree(
        tmp_path / "tree", shop.build("libre", "1.0"), shop.build("libre", "1.1", target=TRIXIE)
    )
    found = {}
    for name in ("bookworm", "trixie"):
        text = (tree / f"dists/{name}/main/source/Sources").read_text()
        found[name] = [one.entry.version for one in parse_sources(text, distribution=name)]
    assert found == {"bookworm": ["1.0"], "trixie": ["1.1"]}
    assert len(list(tree.glob("pool/main/libr/libre/*.dsc"))) == 2


def test_a_package_without_section_is_published(workshop: Workshop, tmp_path: Path) -> None:
    tree = workshop.tree(tmp_path / "tree", workshop.shop.build("plain", section=""))
    text = (tree / "dists/bookworm/main/binary-amd64/Packages").read_text()
    (listed,) = parse_packages(text, distribution="bookworm")
    assert (listed.fields["Section"], listed.fields["Priority"]) == ("misc", "optional")


def test_whatever_the_section_the_component_is_one(workshop: Workshop, tmp_path: Path) -> None:
    build = workshop.shop.build("odd", section="contrib/net")
    tree = workshop.tree(tmp_path / "tree", build)
    text = (tree / "dists/bookworm/main/binary-amd64/Packages").read_text()
    (listed,) = parse_packages(text, distribution="bookworm")
    assert listed.paths == ("pool/main/o/odd/odd_1.0_amd64.deb",)
    assert (tree / listed.paths[0]).samefile(build.binaries[0].file.path)


def test_readers_of_a_former_state_find_its_files(workshop: Workshop, tmp_path: Path) -> None:
    shop = workshop.shop
    old = workshop.tree(tmp_path / "old", shop.build("libre", "1.0"))
    new = workshop.tree(tmp_path / "new", shop.build("libre", "1.1"), former=[old])
    newest = workshop.tree(tmp_path / "newest", shop.build("libre", "1.2"), former=[new])
    wanted = {path.relative_to(old) for path in old.glob("pool/**/*.deb")}
    wanted |= {path.relative_to(old) for path in old.glob("dists/**/by-hash/SHA256/*")}
    assert all((new / path).read_bytes() == (old / path).read_bytes() for path in wanted)
    # One generation a tree: what `new` carries for others does not go on to `newest`.
    assert not list(newest.glob("pool/**/*_1.0_*.deb"))
    release = parse_release((new / "dists/bookworm/Release").read_text())
    texts = [(new / "dists/bookworm" / name).read_bytes() for name in release.files]
    assert not any(b"Version: 1.0" in text for text in texts)


def test_a_client_in_mid_upgrade_is_served(workshop: Workshop, tmp_path: Path) -> None:
    shop = workshop.shop
    old = workshop.tree(tmp_path / "old", shop.build("libre", "1.0"), seconds=-60)
    new = workshop.tree(tmp_path / "new", shop.build("libre", "1.1"), former=[old])
    pointer = tmp_path / "current"
    pointer.symlink_to(old)
    with serve(pointer) as (address, _):
        apt = Apt(tmp_path / "apt", address, workshop.keyring())
        apt.update()
        pointer.unlink()
        pointer.symlink_to(new)
        apt.run("apt-get", "download", "libre=1.0")
        apt.update()
    assert apt.versions() == {"libre": "1.1"}


def test_people_can_use_the_sources_file(workshop: Workshop, tmp_path: Path) -> None:
    tree = workshop.tree(tmp_path / "tree", workshop.shop.build("libre"))
    apt = Apt(tmp_path / "apt", "", tree / "sample-rc-keyring.gpg")
    text = (tree / "sample-rc.sources").read_text()
    text = text.replace("https://example.org/sample-rc", f"file:{tree}")
    text = text.replace("/usr/share/keyrings", str(tree))
    (apt.folder / "sources.list").unlink()
    (apt.folder / "own.sources").write_text(text)
    conf = (apt.folder / "apt.conf").read_text().replace("sources.list", "own.sources")
    (apt.folder / "apt.conf").write_text(conf)
    apt.update()
    assert apt.versions() == {"libre": "1.0"}


def test_nothing_is_not_published(workshop: Workshop, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is nothing to publish in repository 'rc'"):
        workshop.tree(tmp_path / "tree")


def test_fifteen_packages_take_under_three_seconds(workshop: Workshop, tmp_path: Path) -> None:
    builds = [workshop.shop.build(f"package{number}") for number in range(15)]
    workshop.key()
    started = time.monotonic()
    workshop.tree(tmp_path / "tree", *builds)
    assert time.monotonic() - started < 3
    assert Content("sample", tuple(builds)).architectures == {"bookworm": (BOOKWORM.architecture,)}
