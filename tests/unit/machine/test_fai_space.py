"""The configuration space of FAI: what is written follows from farm.toml alone."""

from __future__ import annotations

import gzip
import io
import tarfile
from dataclasses import replace

import pytest

from farm.config.choices import Firmware
from farm.config.settings import Machine, Partition
from farm.machine.fai_space import disk_config, pack, render_space
from farm.machine.wish import File, Wish

MACHINE = Machine(packages=("ipbx", "tcpdump"))
WISH = Wish(
    MACHINE, "ipbx", sources={"1-candidate.sources": "URIs: @SERVER@/candidate\n"},
    keyrings={"ipbx-rc-keyring.gpg": b"key"}, authorized_keys=("ssh-ed25519 AAAA farm",), site={},
)  # fmt: skip


def text(space: dict[str, File], name: str) -> str:
    return space[name].content.decode()


def test_the_machine_installs_its_packages_and_a_boot_loader() -> None:
    packages = text(render_space(WISH), "package_config/FARM")
    assert packages == "PACKAGES install-norec\ngrub-pc\nipbx\ntcpdump\n"


def test_a_uefi_machine_has_another_loader_and_a_partition_for_it() -> None:
    space = render_space(replace(WISH, machine=replace(MACHINE, firmware=Firmware.UEFI)))
    assert "grub-efi-amd64\n" in text(space, "package_config/FARM")
    assert "primary /boot/efi 100 vfat rw" in text(space, "disk_config/FARM")
    assert "disklabel:gpt" in text(space, "disk_config/FARM")


def test_a_locale_brings_its_package_and_answers_its_questions() -> None:
    space = render_space(replace(WISH, machine=replace(MACHINE, locale="de_DE.UTF-8")))
    assert "\nlocales\n" in text(space, "package_config/FARM")
    assert "de_DE.UTF-8 UTF-8" in text(space, "debconf/FARM")


@pytest.mark.parametrize(
    ("size", "written"),
    [((2**30, None), "1024-"), ((2**30, 2**30), "1024-1024"), ((2**30, 2**31), "1024-2048")],
)
def test_partitions_have_sizes_in_mebibytes(size: tuple[int, int | None], written: str) -> None:
    machine = replace(MACHINE, partitions=(Partition("/srv", size),))
    assert f"primary /srv {written} ext4" in disk_config(machine)


def test_swap_is_no_file_system() -> None:
    machine = replace(MACHINE, partitions=(Partition("swap", (2**28, 2**28)),))
    assert "primary swap 256-256 swap sw" in disk_config(machine)


def test_what_is_the_workspaces_own_is_a_class_of_its_own() -> None:
    site = {"files/etc/motd": File(b"hello"), "scripts/10-x": File(b"#!/bin/sh\n")}
    space = render_space(replace(WISH, site=site))
    assert space["site/etc/motd"] == File(b"hello")
    assert space["scripts/SITE/10-x"] == File(b"#!/bin/sh\n", executable=True)


def test_scripts_and_hooks_can_be_run_and_nothing_else() -> None:
    space = render_space(WISH)
    runnable = {name for name, file in space.items() if file.executable}
    assert runnable == {name for name in space
                        if name.startswith(("class/10", "hooks/", "scripts/"))}  # fmt: skip
    assert all(space[name].content.startswith(b"#!/bin/bash\n")
               for name in runnable
               if not name.endswith(("subroutines", ".sh")))  # fmt: skip


def test_no_address_of_this_run_is_in_it_so_the_same_release_has_the_same_bytes() -> None:
    first, second = pack(render_space(WISH)), pack(render_space(WISH))
    assert first == second
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(first))) as tar:
        assert tar.getnames() == list(render_space(WISH))
        assert {member.mtime for member in tar} == {0}


def test_an_image_keeps_nothing_of_how_it_was_made() -> None:
    plain = render_space(WISH)
    space = render_space(replace(WISH, stays={"a.sources": "Types: deb\n"}))
    assert space["stays/a.sources"] == File(b"Types: deb\n")
    tidy = space["scripts/LAST/90-tidy"].content.decode()
    assert "rm -f $target/etc/apt/sources.list.d/*.sources" in tidy
    assert "cp -- $FAI/stays/* $target/etc/apt/sources.list.d/" in tidy
    assert "rm -f $target/etc/apt/sources" not in plain["scripts/LAST/90-tidy"].content.decode()


def test_machines_of_an_image_make_a_host_key_each_and_those_of_checks_have_one() -> None:
    own = render_space(WISH)["scripts/FARM/20-ssh"].content.decode()
    later = render_space(replace(WISH, stays={}))["scripts/FARM/20-ssh"].content.decode()
    assert "$ROOTCMD ssh-keygen" in own
    assert "$ROOTCMD ssh-keygen" not in later
    assert "ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key" in later
