"""What debian-installer is told: it follows from farm.toml alone."""

from __future__ import annotations

import base64
import io
import tarfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.errors import InputError
from farm.base.run import run
from farm.config.settings import Partition
from farm.machine.preseed import pack_site, render_preseed
from farm.machine.preseed_scripts import SCRIPTS
from farm.machine.wish import File
from tests.unit.machine.test_fai_space import MACHINE
from tests.unit.machine.test_fai_space import WISH as PLAIN

TOOL = timedelta(seconds=10)
GOLDEN = Path(__file__).parent / "golden"
ARCHIVE = "http://archive.example.org/debian"
OWN = """\
Types: deb
URIs: @SERVER@/candidate
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/ipbx-rc-keyring.gpg
"""
DISTRIBUTION = """\
Types: deb
URIs: {archive}
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/distribution-archive-keyring.gpg

Types: deb
URIs: {archive}-security
Suites: bookworm-security
Components: main contrib
Signed-By: /usr/share/keyrings/distribution-archive-keyring.gpg
"""
WISH = replace(
    PLAIN, distribution="bookworm", archive=ARCHIVE,
    sources={"2-distribution.sources": DISTRIBUTION.format(archive=ARCHIVE),
             "1-candidate.sources": OWN},
)  # fmt: skip


def answer(text: str, question: str) -> str:
    (line,) = (line for line in text.splitlines() if f" {question} " in line)
    return line.split(" ", 3)[3]


def test_all_answers() -> None:
    machine = replace(MACHINE, partitions=(
        Partition("/", (2**30, None)), Partition("/srv", (2**29, 2**30)),
        Partition("swap", (2**28, 2**28)),
    ))  # fmt: skip
    assert render_preseed(replace(WISH, machine=machine)) == (GOLDEN / "preseed.cfg").read_text()


def test_the_distribution_comes_from_its_archive_wherever_that_is() -> None:
    text = render_preseed(replace(WISH, archive="https://mirror.example.org:8080/a/b"))
    assert answer(text, "mirror/protocol") == "https"
    assert answer(text, "mirror/https/hostname") == "mirror.example.org:8080"
    assert answer(text, "mirror/https/directory") == "/a/b"


def test_one_partition_takes_the_whole_disk() -> None:
    recipe = answer(render_preseed(WISH), "partman-auto/expert_recipe")
    assert recipe.startswith("farm :: 1074 2074 -1 ext4 $primary{ } $bootable{ } ")
    assert recipe.endswith(" mountpoint{ / } .")


@pytest.mark.parametrize(
    ("locale", "country", "written"),
    [
        ("C", "US", "C.UTF-8"), ("C.UTF-8", "US", "C.UTF-8"),
        ("de_AT.UTF-8", "AT", "de_AT.UTF-8"), ("fr_FR", "FR", "fr_FR"),
    ],
)  # fmt: skip
def test_a_locale_goes_with_a_country_and_a_language_that_any_console_shows(
    locale: str, country: str, written: str
) -> None:
    text = render_preseed(replace(WISH, machine=replace(MACHINE, locale=locale)))
    found = [
        answer(text, f"debian-installer/{each}") for each in ("language", "country", "locale")
    ]
    assert found == ["en", country, written]


def test_no_address_of_this_run_is_in_it() -> None:
    texts = [render_preseed(WISH), *SCRIPTS.values()]
    assert not any("10.0.2.2" in text for text in texts)


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_the_scripts_are_scripts(name: str) -> None:
    assert run(["/bin/sh", "-n"], input=SCRIPTS[name], timeout=TOOL).stderr == ""


def test_what_is_put_in_at_the_end() -> None:
    site = {"files/etc/motd": File(b"hello"), "scripts/10-x": File(b"#!/bin/sh\n")}
    wish = replace(WISH, site=site)
    assert pack_site(wish) == pack_site(wish)
    with tarfile.open(fileobj=io.BytesIO(pack_site(wish))) as tar:
        modes = {member.name: member.mode for member in tar}
    assert modes == {
        "authorized_keys": 0o644, "files/etc/motd": 0o644, "keyrings/ipbx-rc-keyring.gpg": 0o644,
        "scripts/10-x": 0o755, "sources/1-candidate.sources": 0o644,
        "sources/2-distribution.sources": 0o644,
    }  # fmt: skip


def test_packages_come_from_the_candidate_too_and_are_verified_with_its_key() -> None:
    text = render_preseed(WISH)
    assert answer(text, "apt-setup/local0/repository") == "@SERVER@/candidate bookworm main"
    key = answer(text, "apt-setup/local0/key")
    assert base64.b64decode(key.removeprefix("base64://")) == b"key"


def test_other_suites_of_the_archive_are_used_from_the_beginning() -> None:
    text = render_preseed(WISH)
    security = f"{ARCHIVE}-security bookworm-security main contrib"
    assert answer(text, "apt-setup/local1/repository") == security
    assert "local2" not in text


@pytest.mark.parametrize("what", ["a\nd-i x y z", "a\\", "a\x1b[2J", "a\r"])
def test_nothing_is_more_than_a_value(what: str) -> None:
    with pytest.raises(InputError, match="cannot be told to debian-installer"):
        render_preseed(replace(WISH, hostname=what))
