"""What of farm.toml decides what a machine becomes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from farm.config.settings import Machine, Page
from farm.machine.running import Box, Record, is_named, kept
from farm.model.layout import Layout
from farm.release.installs import configurations
from farm.release.wishes import hostname_of, site_files, tcp_ports


@pytest.mark.parametrize(
    ("name", "hostname"), [("ipbx", "ipbx"), ("Acme GmbH", "acme-gmbh"), ("...", "machine")]
)
def test_a_workspace_gives_its_machines_a_name(name: str, hostname: str) -> None:
    assert hostname_of(name) == hostname


def test_ports_that_must_answer_are_reached_from_here() -> None:
    machine = Machine(packages=("ipbx",), listen=("tcp/443", "udp/5060"), page=Page("x", port=80))
    assert tcp_ports(machine) == [443, 80]


def test_links_in_the_own_folder_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "files/etc").mkdir(parents=True)
    (tmp_path / "files/etc/motd").write_text("hello")
    (tmp_path / "files/shadow").symlink_to("/etc/shadow")
    found = site_files(Machine(packages=("ipbx",), folder=tmp_path))
    assert [*found] == ["files/etc/motd"]


def keep(machines: Path, name: str, subject: str, *, why: str, when: str) -> Box:
    box = Box(machines / name)
    box.folder.mkdir(parents=True)
    box.write(Record(name, subject, "/nowhere", {"22": 2222}, "run", why, when))
    return box


def test_only_what_is_red_is_kept_the_latest_last(tmp_path: Path) -> None:
    keep(tmp_path, "farm-1-bookworm-amd64-b", "machine@bookworm-amd64", why="x", when="2")
    keep(tmp_path, "farm-1-bookworm-amd64-a", "sipsak@bookworm-amd64 on a machine", why="y",
         when="3")  # fmt: skip
    keep(tmp_path, "farm-1-bookworm-amd64-c", "machine@bookworm-amd64", why="", when="")
    assert [box.folder.name[-1] for box in kept(tmp_path)] == ["b", "a"]


def test_a_machine_is_meant_by_its_target_or_by_what_was_tried_on_it(tmp_path: Path) -> None:
    box = keep(tmp_path, "farm-1-bookworm-amd64-a", "sipsak@bookworm-amd64 on a machine", why="y",
               when="3")  # fmt: skip
    assert is_named(box, "machine@bookworm-amd64")
    assert is_named(box, "machine")
    assert is_named(box, "sipsak")
    assert is_named(box, "sipsak@bookworm-amd64")
    assert not is_named(box, "machine@trixie-amd64")
    assert not is_named(box, "libre@bookworm-amd64")


def test_what_the_latest_machine_of_a_candidate_was_installed_by(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    for name, candidate, text, age in (("a", "c1", "old", 9), ("b", "c1", "new", 1),
                                       ("c", "c2", "other", 0)):  # fmt: skip
        folder = layout.installed / name
        (folder / "configuration").mkdir(parents=True)
        (folder / "configuration/config.tar.gz").write_text(text)
        about = {"candidate": candidate, "target": "bookworm-amd64"}
        (folder / "about.json").write_text(json.dumps(about))
        os.utime(folder, (1000 - age, 1000 - age))
    found = configurations(layout, "c1")
    assert {name: path.read_text() for name, path in found.items()} == {
        "machine-bookworm-amd64-config.tar.gz": "new"
    }
