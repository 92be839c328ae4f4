"""What FAI's monitor says, and what is made of it when something fails."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from farm.machine.fai import Fai
from farm.machine.fai_hooks import INSTALLED, LOGS
from farm.machine.installer import Course, Net
from farm.machine.wish import Wish
from tests.unit.machine.test_fai_space import WISH

NET = Net("10.0.2.2:8080", 8081, "10.0.2.3", "http://10.0.2.2:3142")


@pytest.fixture
def fai() -> Fai:
    nothing: Any = None
    wish: Wish = WISH
    return Fai(wish, ground=nothing, archive=nothing, layout=nothing, tell=lambda _: None)


def heard(fai: Fai, *lines: str) -> Course:
    course = Course()
    for line in lines:
        fai.hear(f"ipbx {line}", course)
    return course


def logs(folder: Path, **texts: str) -> Path:
    with tarfile.open(folder / LOGS, "w:gz") as tar:
        for name, text in texts.items():
            info = tarfile.TarInfo(f"./{name}.log")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return folder


def test_what_is_fetched_tells_how_far_it_is_before_fai_can_say_anything(fai: Fai) -> None:
    course = Course()
    phases = [course.phase]
    for path in ("/boot.ipxe", "/vmlinuz", "/initrd.img", "/root.squashfs"):
        fai.asked(path, course)
        phases.append(course.phase)
    assert phases == ["network boot", "network boot", "kernel", "kernel", "start of FAI"]


def test_a_good_installation_ends_with_faiend(fai: Fai) -> None:
    course = heard(fai, "check", "TASKBEGIN partition", "TASKEND partition 0",
                   "TASKBEGIN faiend", "TASKEND faiend 0", "TASKEND reboot 0")  # fmt: skip
    assert course.finished


@pytest.mark.parametrize("lines", [
    ("TASKBEGIN instsoft", "TASKEND instsoft 471", "TASKEND faiend 0"),
    ("TASKBEGIN instsoft", "TASKERROR fatal 471", "TASKEND faiend 0"),
    ("TASKBEGIN instsoft",),
    (),
])  # fmt: skip
def test_anything_else_is_not_finished(fai: Fai, lines: tuple[str, ...]) -> None:
    assert not heard(fai, *lines).finished


def test_without_a_network_its_console_tells(fai: Fai) -> None:
    course, phases = Course(), []
    for line in ("Calling task_partition", "Partitioning", "Calling task_instsoft", INSTALLED):
        fai.read(f"\x1b[0m{line}\r", course)
        phases.append(course.phase)
    assert phases == ["partition", "partition", "instsoft", "instsoft"]
    assert course.finished


def test_a_failure_on_the_console_names_the_task(fai: Fai, tmp_path: Path) -> None:
    course = Course()
    for line in ("Calling task_instsoft", "FAI-FATAL: task=instsoft code=471 ", INSTALLED):
        fai.read(line, course)
    assert not course.finished
    assert fai.explain(course, tmp_path).brief == (
        "FAI gave up in its task instsoft, with code 471"
    )


def test_packages_that_do_not_install_are_the_fault_of_the_release(
    fai: Fai, tmp_path: Path
) -> None:
    course = heard(fai, "TASKBEGIN instsoft", "TASKERROR instsoft 471", "TASKERROR fatal 471")
    trouble = fai.explain(course, logs(tmp_path, software="E: postinst of ipbx failed"))
    assert trouble.brief == "FAI gave up in its task instsoft, with code 471"
    assert trouble.log == "E: postinst of ipbx failed"
    assert not trouble.is_fault


def test_an_archive_that_cannot_be_read_is_a_fault_of_the_farm(fai: Fai, tmp_path: Path) -> None:
    course = heard(fai, "TASKBEGIN updatebase", "TASKERROR fatal 600")
    assert fai.explain(course, logs(tmp_path, fai="Could not connect")).is_fault


def test_a_disk_that_is_too_small_is_what_farm_toml_says(fai: Fai, tmp_path: Path) -> None:
    course = heard(fai, "TASKBEGIN updatebase", "TASKERROR fatal 474")
    trouble = fai.explain(course, logs(tmp_path, fai="cp: error writing: No space left on device"))
    assert not trouble.is_fault
    assert "Let [machine] disk, or the partition, be larger" in trouble.hint


def test_a_wrong_key_is_not(fai: Fai, tmp_path: Path) -> None:
    course = heard(fai, "TASKBEGIN updatebase", "TASKERROR fatal 600")
    assert not fai.explain(course, logs(tmp_path, fai="NO_PUBKEY 0123456789")).is_fault


def test_logs_that_never_came_leave_the_console_to_tell(fai: Fai, tmp_path: Path) -> None:
    trouble = fai.explain(heard(fai, "TASKBEGIN partition"), tmp_path)
    assert (trouble.brief, trouble.log) == ("it got as far as partition", "")


def test_hostile_words_of_a_machine_do_nothing(fai: Fai) -> None:
    course = Course()
    for line in ("", "x", "x TASKEND", "x TASKEND a b c", "x TASKERROR \x1b[2J -1"):
        fai.hear(line, course)
    assert not course.finished


def test_the_kernel_learns_where_everything_is(fai: Fai) -> None:
    words = fai.command_line(NET, static=True).split()
    assert "root=live:http://10.0.2.2:8080/root.squashfs" in words
    assert "FAI_CONFIG_SRC=http://10.0.2.2:8080/config.tar.gz" in words
    assert "FAI_MONITOR_PORT=8081" in words
    assert "APT_PROXY=http://10.0.2.2:3142" in words
    assert any(word.startswith("ip=${net0/ip}") for word in words)
    assert "ip=dhcp" in fai.command_line(NET, static=False).split()


def test_the_same_packages_are_the_same_machine_whoever_has_signed_them(fai: Fai) -> None:
    nothing: Any = None
    archive: Any = SimpleNamespace(lists_dir=Path("lists"), identity=lambda: "today")

    def identity(wish: Wish) -> str:
        return Fai(wish, ground=nothing, archive=archive, layout=nothing,
                   tell=lambda _: None).identity()  # fmt: skip

    other = replace(WISH, sources={"x": "y"}, keyrings={"production.gpg": b"other"})
    assert identity(WISH) == identity(other)
    assert identity(WISH) != identity(replace(WISH, hostname="other"))
