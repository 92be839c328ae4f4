"""Which names may reach a path: what Debian Policy allows, and nothing that leads elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from farm.base.errors import InputError
from farm.model.names import (
    check_architecture,
    check_file,
    check_package,
    check_repository,
    check_version,
)

Check = Callable[[str], str]

ALL: list[Check] = [check_architecture, check_file, check_package, check_repository, check_version]
HOSTILE = {
    "empty": "",
    "up": "..",
    "out": "../../etc/passwd",
    "in the middle": "1a/../b",
    "end": "1a/..",
    "two dots": "1a..b",
    "root": "/1a",
    "folder": "1a/b/c",
    "folder without a name": "1a//b",
    "hidden": ".1a",
    "option": "-1a",
    "space": "1a b",
    "space at the end": "1a ",
    "line": "1a\n",
    "two lines": "1a\nDepends: evil",
    "tab": "1a\tb",
    "null": "1a\0b",
    "shell": "1a;reboot",
    "variable": "1a$HOME",
    "quote": "1a'b",
    "backslash": "1a\\b",
    "glob": "1*",
    "comma": "1a,b",
    "accent": "1é",
    "other digits": "1\u0663",
    "look-alike": "1\u0430",
    "zero width": "1a\u200bb",
    "long": "1" + "a" * 255,
}


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.__name__)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_nothing_is_called(check: Check, text: str) -> None:
    with pytest.raises(InputError) as caught:
        check(text)
    assert caught.value.brief.startswith(f"{text!r} is not a")


@pytest.mark.parametrize("name", ["libre", "g++", "0ad", "libc6.1-dev", "a" * 255, "2ping"])
def test_packages(name: str) -> None:
    assert check_package(name) == name


@pytest.mark.parametrize("name", ["a", "Libre", "lib_re", "+re", "libre:amd64", "libre~1", "a/b"])
def test_no_packages(name: str) -> None:
    with pytest.raises(InputError, match="is not a package name: lower case letters"):
        check_package(name)


@pytest.mark.parametrize(
    "version", ["1", "1.0-1", "2:1.0", "1.0~rc1+dfsg-2~bpo12+1", "20240101", "0.9.8.1-1~farm1"]
)
def test_versions(version: str) -> None:
    assert check_version(version) == version


@pytest.mark.parametrize("version", ["v1", "a:1", ":1", "1_0", "1:", "1:a", "1/2", "1%3a2"])
def test_no_versions(version: str) -> None:
    with pytest.raises(InputError, match=r"is not a version: \[epoch:\]upstream"):
        check_version(version)


@pytest.mark.parametrize("name", ["amd64", "all", "source", "kfreebsd-amd64", "i386"])
def test_architectures(name: str) -> None:
    assert check_architecture(name) == name


@pytest.mark.parametrize("name", ["AMD64", "amd64-", "amd_64", "a--b", "any all"])
def test_no_architectures(name: str) -> None:
    with pytest.raises(InputError, match="architecture: for instance amd64 or all"):
        check_architecture(name)


@pytest.mark.parametrize("name", ["rc", "production", "private/alice", "dev-2", "team.one/a_b"])
def test_repositories(name: str) -> None:
    assert check_repository(name) == name


@pytest.mark.parametrize("name", ["RC", "private/", "/rc", "private/a/b", "private/.a", "rc/"])
def test_no_repositories(name: str) -> None:
    with pytest.raises(InputError, match=r"is not a repository name: .* at most one '/'"):
        check_repository(name)


@pytest.mark.parametrize(
    "name", ["libre_1.0-1.dsc", "a_1%3a2.0_amd64.deb", "R1:2~3+4.tar.gz", "Packages"]
)
def test_files(name: str) -> None:
    assert check_file(name) == name


@pytest.mark.parametrize("name", ["pool/a.deb", "_a.deb", "~a", "a b.deb", "a.deb?x=1"])
def test_no_files(name: str) -> None:
    with pytest.raises(InputError, match="is not a file name: a bare name"):
        check_file(name)
