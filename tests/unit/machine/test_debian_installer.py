"""What debian-installer says, and what is made of it when something fails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from farm.base.errors import InputError
from farm.config.choices import Boot as BootKind
from farm.config.choices import InstallerKind
from farm.machine.debian_installer import DebianInstaller
from farm.machine.installer import Course, Net
from farm.machine.installers import INSTALLERS
from farm.machine.wish import Wish
from farm.model.target import Target
from tests.unit.machine.test_preseed import ARCHIVE, WISH

NET = Net("10.0.2.2:8080", 8081, "10.0.2.3", "http://10.0.2.2:3142")
NOTHING: Any = None


def archive(distribution: str = "bookworm", uri: str = ARCHIVE) -> Any:
    mirror = SimpleNamespace(suites=(SimpleNamespace(uri=uri),))
    return SimpleNamespace(target=Target(distribution, "amd64"), mirror=mirror)


def make(wish: Wish = WISH, of: Any = None) -> DebianInstaller:
    return DebianInstaller(wish, ground=NOTHING, archive=of or archive(), layout=NOTHING,
                           tell=lambda _: None)  # fmt: skip


def heard(*lines: str) -> Course:
    course = Course()
    for line in lines:
        make().hear(f"ipbx {line}", course)
    return course


def test_it_is_one_of_the_kinds() -> None:
    assert INSTALLERS[InstallerKind.DEBIAN_INSTALLER] is DebianInstaller


def test_what_is_fetched_tells_how_far_it_is_before_its_answers_are_there() -> None:
    course, phases = Course(), []
    for path in ("/boot.ipxe", "/di-linux", "/di-initrd.gz", "/preseed.cfg", "/early.sh"):
        make().asked(path, course)
        phases.append(course.phase)
    assert phases == ["network boot", "kernel", "kernel", "preseed", "preseed"]


def test_a_good_installation_ends_with_the_scripts_word() -> None:
    course = heard("TASKBEGIN pkgsel", "TASKBEGIN late", "TASKEND installation 0")
    assert (course.phase, course.finished) == ("late", True)


@pytest.mark.parametrize("lines", [
    ("TASKBEGIN pkgsel", "TASKERROR fatal 1", "TASKEND installation 0"),
    ("TASKBEGIN late", "TASKEND installation 0", "TASKERROR fatal 1"),
    ("TASKBEGIN late",), ("TASKEND",), ("",), ("TASKBEGIN",), ("\x1b[2J",),
])  # fmt: skip
def test_anything_else_is_not_finished(lines: tuple[str, ...]) -> None:
    assert not heard(*lines).finished


def test_a_mirror_without_parts_of_the_installer_is_named(tmp_path: Path) -> None:
    course = heard("TASKBEGIN choose-mirror", "TASKBEGIN download-installer", "TASKERROR fatal 1")
    (tmp_path / "syslog").write_text("anna: package retrieval failed\n")
    trouble = make().explain(course, tmp_path)
    assert trouble.brief == "debian-installer gave up at download-installer"
    assert trouble.is_fault
    assert trouble.log == "anna: package retrieval failed"
    assert f"Has {ARCHIVE} the parts of debian-installer" in trouble.hint


def test_packages_and_scripts_are_of_the_release_and_disks_of_farm_toml(tmp_path: Path) -> None:
    for item in ("pkgsel", "late", "partman-base"):
        course = heard(f"TASKBEGIN {item}", "TASKERROR fatal 1")
        assert not make().explain(course, tmp_path).is_fault


def test_the_log_of_the_item_is_shown_by_its_end(tmp_path: Path) -> None:
    course = heard("TASKBEGIN partman-base", "TASKERROR fatal 1")
    (tmp_path / "syslog").write_text("other\n")
    assert make().explain(course, tmp_path).log == "other"
    (tmp_path / "partman").write_text("long\n" * 2**20 + "\x1b[1mno room\n")
    assert make().explain(course, tmp_path).log.endswith("long\nno room")


def test_the_kernel_learns_where_everything_is() -> None:
    for static in (True, False):
        words = make().command_line(NET, static=static).split()
        assert "url=http://10.0.2.2:8080/preseed.cfg" in words
        assert {"FARM_MONITOR=8081", "FARM_PROXY=http://10.0.2.2:3142"} < set(words)
        assert {"auto=true", "priority=critical", "hostname=ipbx"} < set(words)


def test_by_tftp_the_firmware_says_nothing_until_the_answers_are_fetched() -> None:
    machine = replace(WISH.machine, boot=BootKind.PXELINUX)
    phase = Course().phase
    assert make(replace(WISH, machine=machine)).limit(phase) > make().limit(phase)


def test_the_same_packages_are_the_same_machine_wherever_they_come_from() -> None:
    other = replace(WISH, sources={}, keyrings={"production.gpg": b"other"}, archive="http://x")
    assert make().identity() == make(other).identity()
    assert make().identity() != make(replace(WISH, hostname="other")).identity()
    assert make().identity() != make(of=archive("trixie")).identity()


@pytest.mark.parametrize(
    ("distribution", "uri", "what"),
    [
        ("sid", ARCHIVE, "Of sid the farm knows no debian-installer; it knows that of bookworm"),
        ("bookworm", "file:/srv/debian", "by HTTP, and its archive is file:/srv/debian"),
    ],
)
def test_what_it_cannot_install_is_refused(distribution: str, uri: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        make(of=archive(distribution, uri)).boot()
