"""Names in relationship fields."""

from __future__ import annotations

import pytest

from farm.base.errors import InputError
from farm.model.relations import depended_names

BUILD_DEPENDS = """
 debhelper-compat (= 13),
 libre-dev (>= 1.1.0) | libre-alt-dev,
 libcap-dev [linux-any],
 libkvm-dev [kfreebsd-any !amd64],
 gcc-arm-none-eabi [arm64 armhf],
 pkgconf:native,
 check <!nocheck>,
 pandoc <!nodoc !cross> <pkg.ipbx.manual>,
"""


def names(*profiles: str, architecture: str = "amd64") -> set[str]:
    return depended_names(BUILD_DEPENDS, architecture=architecture, profiles=profiles)


def test_alternatives_count_and_versions_do_not() -> None:
    assert {"debhelper-compat", "libre-dev", "libre-alt-dev", "pkgconf"} <= names()


def test_architectures_and_wildcards_are_honoured() -> None:
    assert "libcap-dev" in names()
    assert "gcc-arm-none-eabi" not in names()
    assert "gcc-arm-none-eabi" in names(architecture="arm64")
    assert "libcap-dev" not in names(architecture="hurd-i386")


def test_build_profiles_are_honoured() -> None:
    assert {"check", "pandoc"} <= names()
    assert "check" not in names("nocheck")
    assert "pandoc" not in names("cross")
    assert "pandoc" in names("cross", "pkg.ipbx.manual")


@pytest.mark.parametrize("empty", ["", "  ", ",", "\n ,\n"])
def test_an_empty_field_names_nothing(empty: str) -> None:
    assert depended_names(empty, architecture="amd64") == set()


@pytest.mark.parametrize("bad", ["libre-dev libcap-dev", "../x", "Libre", "a-b (1.0)"])
def test_what_is_no_package_is_refused(bad: str) -> None:
    with pytest.raises(InputError, match="is not a package name"):
        depended_names(bad, architecture="amd64")


def test_what_is_no_relationship_is_refused() -> None:
    with pytest.raises(InputError, match="is not a list of package relationships"):
        depended_names("libre-dev [ ]", architecture="amd64")
