"""The table ``[machine]``: what is accepted, and what is said about the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from farm.config.settings import Page, Partition
from farm.config.workspace import Workspace

Accept = Callable[..., Workspace]
Refuse = Callable[..., list[str]]


def test_a_machine_needs_no_more_than_its_packages(accept: Accept) -> None:
    machine = accept('[machine]\npackages = ["ipbx"]').machine
    assert machine
    assert machine.packages == ("ipbx",)
    assert (machine.memory, machine.disk, machine.cpus) == (2**30, 4 * 2**30, 2)


def test_without_the_table_there_is_no_machine(accept: Accept) -> None:
    assert accept("").machine is None


def test_partitions_and_page_are_tables_of_their_own(accept: Accept) -> None:
    machine = accept("""
        [machine]
        packages = ["ipbx"]
        [machine.page]
        text = "Version {version}"
        package = "ipbx"
        [[machine.partition]]
        mount = "/"
        size = "1 GiB-"
        [[machine.partition]]
        mount = "swap"
        size = "256 MiB"
    """).machine
    assert machine
    assert machine.page == Page("Version {version}", package="ipbx")
    assert machine.partitions == (
        Partition("/", (2**30, None)), Partition("swap", (2**28, 2**28)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ('memory = "64 MiB"', "machine.memory: '64 MiB' is too little: a machine needs 512 MiB."),
        ('disk = "1 GiB"', "machine.disk: '1 GiB' is too little: a machine needs 2 GiB."),
        ("cpus = 0", "machine.cpus: must be at least 1."),
        ('diks = "4 GiB"', "machine.diks: unknown key; did you mean machine.disk?"),
        ('boot = "ipx"', "machine.boot: 'ipx' is none of ipxe, pxelinux, grub; "
         "did you mean ipxe?"),
        ('firmware = "uefi"\nboot = "ipxe"', "machine.boot: a machine with 'uefi' boots from the "
         'network by "grub".'),
        ('boot = "grub"', "machine.boot: a machine with 'bios' boots from the network by "
         '"ipxe" or "pxelinux".'),
        ('installer = "debian-installer"\nfirmware = "uefi"', "machine.installer: a machine with "
         "'uefi' is installed by \"fai\" only."),
        ('installer = "debian-installer"\npartition = [{mount = "/", size = "2 GiB"}]',
         'machine.partition: one must take all that is left for "debian-installer": its size is '
         "like '1 GiB-'."),
        ('network = "bridge"', "machine.network: 'bridge' is no network for machines: it is "
         "'user', or 'libvirt:NAME'."),
        ('listen = ["80"]',
         "machine.listen[1]: '80' is no port: it is written like 'tcp/80' or 'udp/5060'."),
        ('timezone = "../../etc"', "machine.timezone: '../../etc' is not a time zone: such as "
         "Etc/UTC or Europe/Paris."),
        ('services = ["a b"]', "machine.services[1]: 'a b' is not a unit of systemd: such as "
         "ipbx.service."),
        ('services = ["--all"]', "machine.services[1]: '--all' is not a unit of systemd: such as "
         "ipbx.service."),
        ('services = ["getty@.service"]', "machine.services[1]: 'getty@.service' is not a unit of "
         "systemd: such as ipbx.service."),
        ('folder = "nowhere"', "machine.folder: there is no folder 'nowhere'."),
        ('folder = "../x"', "machine.folder: '../x' must be a path below the folder of "
         "farm.toml, without '..'."),
        ('authorized_keys = ["nobody.pub"]',
         "machine.authorized_keys[1]: there is no file 'nobody.pub'."),
        ('page = {text = "{name}"}', "machine.page.text: '{name}' is no text that a page can "
         "show; of braces only {version} is allowed."),
        ('page = {txt = "x", text = "y"}',
         "machine.page.txt: unknown key; did you mean machine.page.text?"),
        ('page = {text = "{version}"}',
         "machine.page.package: is missing; the text of the page names its {version}."),
        ('partition = [{mount = "/srv", size = "1 GiB"}]',
         "machine.partition: there is none for '/'."),
        ('partition = [{mount = "/", size = "8 GiB"}]',
         "machine.partition: all of them together do not fit on the disk."),
        ('partition = [{mount = "/", size = "1 GiB"}, {mount = "/", size = "1 GiB"}]',
         "machine.partition[2].mount: '/' is there twice."),
        ('partition = [{mount = "etc", size = "2 GiB-1 GiB"}]',
         "machine.partition[1].size: '2 GiB-1 GiB' ends before it begins."),
        ('partition = [{mount = "/", size = "0 B"}]',
         "machine.partition[1].size: '0 B' is too little: a partition has 1 MiB at least."),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_keys(refuse: Refuse, line: str, mistake: str) -> None:
    assert mistake in refuse(f'[machine]\npackages = ["ipbx"]\n{line}')


def test_partitions_are_not_compared_with_a_disk_of_unknown_size(refuse: Refuse) -> None:
    found = refuse("""
        [machine]
        packages = ["ipbx"]
        disk = "20 Gib"
        partition = [{mount = "/", size = "10 GiB"}]
    """)
    assert [each.partition(":")[0] for each in found] == ["machine.disk"]


def test_units_are_kept_as_they_are_written(accept: Accept) -> None:
    units = ["ipbx", "ipbx.service", "getty@tty1.service", "dev-sda\\x2d1.device"]
    machine = accept(f"[machine]\npackages = ['ipbx']\nservices = {json.dumps(units)}").machine
    assert machine
    assert list(machine.services) == units


def test_a_gate_about_machines_needs_a_machine(refuse: Refuse) -> None:
    assert refuse('[repository.rc]\ngates = ["build", "install"]') == [
        "repository.rc.gates[2]: 'install' needs a machine, and there is no table [machine]."
    ]


def test_only_public_keys_let_somebody_in(refuse: Refuse, tmp_path: Path) -> None:
    private = "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    for text, problem in (
        (private, "holds a private key; public keys belong there, as in NAME.pub."),
        ("hello\n", "does not hold public keys of OpenSSH, one a line."),
        ("ssh-dss AAAA somebody\n", "does not hold public keys of OpenSSH, one a line."),
    ):
        (tmp_path / "key").write_text(text)
        found = refuse('[machine]\npackages = ["ipbx"]\nauthorized_keys = ["key"]')
        assert found == [f"machine.authorized_keys[1]: 'key' {problem}"]


@pytest.mark.parametrize(
    "kind",
    ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "sk-ssh-ed25519@openssh.com",
     "sk-ecdsa-sha2-nistp256@openssh.com"],
)  # fmt: skip
def test_keys_of_every_kind_let_somebody_in(accept: Accept, tmp_path: Path, kind: str) -> None:
    (tmp_path / "key.pub").write_text(f"{kind} AAAA somebody\n")
    machine = accept('[machine]\npackages = ["ipbx"]\nauthorized_keys = ["key.pub"]').machine
    assert machine
    assert machine.authorized_keys == (tmp_path / "key.pub",)


def test_the_folder_holds_files_and_scripts_and_nothing_else(
    refuse: Refuse, accept: Accept, tmp_path: Path
) -> None:
    text = '[machine]\npackages = ["ipbx"]\nfolder = "machine"'
    (tmp_path / "machine/scripts").mkdir(parents=True)
    (tmp_path / "machine/scripts/10-telephones").write_text("#!/bin/sh\n")
    assert accept(text).machine
    (tmp_path / "machine/scripts/x y").write_text("")
    assert refuse(text) == [
        "machine.folder: machine/scripts/x y is no script: letters, digits, '_' and '-'."
    ]


def test_a_file_is_not_taken_for_the_folder_of_files(refuse: Refuse, tmp_path: Path) -> None:
    (tmp_path / "machine").mkdir()
    (tmp_path / "machine/files").write_text("")
    assert refuse('[machine]\npackages = ["ipbx"]\nfolder = "machine"') == [
        "machine.folder: 'machine' holds the folders 'files' and 'scripts' and nothing else."
    ]


def test_what_cannot_be_looked_at_is_a_mistake_too(refuse: Refuse, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    long = "x" * 300
    found = refuse(f"""
        [machine]
        packages = ["ipbx"]
        authorized_keys = ["{long}"]
        folder = "loop"
    """)
    assert found == [
        f"machine.authorized_keys[1]: '{long}' cannot be read: File name too long.",
        "machine.folder: 'loop' is a link that leads back to itself.",
    ]
