"""What the machine lacks is told together, with the command that helps."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from farm.base.errors import FarmFault
from farm.release import requirements
from farm.release.requirements import (
    OF_MACHINES,
    REQUIREMENTS,
    check_requirements,
    find_missing,
    has_range,
)

ROOT = Path(__file__).parents[3]


def test_all_that_is_missing_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = {"reprepro", "newgidmap", "mmdebstrap"}
    monkeypatch.setattr(requirements, "_is_there", lambda name: name not in absent)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(FarmFault) as caught:
        check_requirements()

    assert str(caught.value) == (
        "The farm needs Debian packages that are not installed: mmdebstrap, reprepro, uidmap.\n"
        "Install them: sudo apt-get install --no-install-recommends mmdebstrap reprepro uidmap"
    )


def test_files_count_as_programs_do() -> None:
    def is_there(name: str) -> bool:
        return not name.startswith("/")

    assert find_missing(is_there=is_there) == ["debian-archive-keyring"]
    assert find_missing(is_there=lambda _: True) == []


def test_bootstrap_installs_all_of_it_and_little_else() -> None:
    listed = re.search(r"^packages=\((.*?)^\)", (ROOT / "bootstrap").read_text(), re.M | re.S)
    assert listed is not None
    installed = {line.split("#")[0].strip() for line in listed[1].strip().splitlines()}

    # For pip, for a clone, for checks of the farm itself, and what a release does without.
    others = {"ca-certificates", "git", "iproute2", "python3", "python3-venv", "shellcheck"}
    # libvirt-python is compiled.
    others |= {"gcc", "libc6-dev", "libvirt-dev", "pkg-config", "python3-dev"}
    # A network of libvirt is somebody else's, who has these; tests make one.
    others |= {"dnsmasq-base", "iptables"}
    wanted = {each.package for each in (*REQUIREMENTS, *OF_MACHINES)}
    assert installed - others == wanted


def test_machines_need_more() -> None:
    def is_there(name: str) -> bool:
        return name != "libvirtd"

    assert find_missing(is_there=is_there) == []
    assert find_missing(machines=True, is_there=is_there) == ["libvirt-daemon"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ada:100000:65536\n", True),
        ("1000:100000:65536\n", True),
        ("# ranges\nbob:1:65536\nada:165536:131072\n", True),
        ("", False),
        ("ada:100000:65535\n", False),
        ("adam:100000:65536\n", False),
        ("ada:100000\n", False),
        ("ada\n", False),
    ],
)
def test_a_range_of_ids(monkeypatch: pytest.MonkeyPatch, text: str, *, found: bool) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert has_range(text, user="ada") is found


def test_a_user_without_ids_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(requirements, "_is_there", lambda _: True)
    monkeypatch.setattr(requirements, "_RANGES", (tmp_path / "subuid",))

    with pytest.raises(FarmFault, match=r"has no 65536 subordinate ids in .*/subuid") as caught:
        check_requirements()
    assert "usermod --add-subuids" in caught.value.hint
