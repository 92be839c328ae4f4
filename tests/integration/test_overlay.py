"""Overlays, entered."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.errors import CommandError, CommandTimeout, PlaceError
from farm.base.run import run
from farm.build.chroots import Base
from farm.model.layout import Layout
from farm.place.namespace import end_processes, janitor, remove_tree
from farm.place.overlay import Bind, Overlay, label_of, lock_of, new_name, sweep
from tests.integration.build_workspace import wait_until

MINUTE = timedelta(minutes=1)


@pytest.fixture
def layout(farm_state: Path) -> Iterator[Layout]:
    layout = Layout(farm_state)
    yield layout
    assert list(layout.environments.iterdir()) == []


@pytest.fixture
def overlay(layout: Layout, base_chroot: Base) -> Iterator[Overlay]:
    made = Overlay(layout.environments / new_name("test"), layers=[base_chroot.tree]).create()
    yield made
    made.remove()


def test_what_is_written_stays_for_the_next_command(overlay: Overlay) -> None:
    overlay.run(["sh", "-c", "echo text > /etc/new; rm /etc/passwd"], timeout=MINUTE)
    done = overlay.run(["sh", "-c", "cat /etc/new; ls /etc/passwd"], timeout=MINUTE, ok=None)
    assert done.stdout == "text\n"
    assert "No such file" in done.stderr


def test_the_layers_below_stay_as_they_are(overlay: Overlay, base_chroot: Base) -> None:
    overlay.run(["sh", "-c", "echo changed > /etc/debian_version; mkdir /srv/new"], timeout=MINUTE)
    assert (base_chroot.tree / "etc/debian_version").read_text() != "changed\n"
    assert not (base_chroot.tree / "srv/new").exists()


@pytest.mark.parametrize(("script", "status"), [
    ("exit 0", 0), ("exit 3", 3), ("exit 125", 125), ("exit 255", 255), ("kill -9 $$", 137),
    ("kill -15 $$", 143), ("kill -USR1 $$", 138), ("no-such-command", 127),
])  # fmt: skip
def test_exit_statuses(overlay: Overlay, script: str, status: int) -> None:
    assert overlay.run(["sh", "-c", script], timeout=MINUTE, ok=None).returncode == status


def test_a_program_that_is_not_there(overlay: Overlay) -> None:
    with pytest.raises(CommandError, match="no-such-program ended with exit status 127"):
        overlay.run(["no-such-program"], timeout=MINUTE)


@pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "TERM"])
def test_signals_that_the_farm_ignores_are_not_ignored_inside(overlay: Overlay, name: str) -> None:
    number = signal.Signals[f"SIG{name}"]
    before = signal.signal(number, signal.SIG_IGN)
    try:
        done = overlay.run(["sh", "-c", f"kill -{name} $$; echo on"], timeout=MINUTE, ok=None)
    finally:
        signal.signal(number, before)
    assert (done.returncode, done.stdout) == (128 + number, "")


def test_input_and_both_outputs(overlay: Overlay) -> None:
    done = overlay.run(["sh", "-c", "cat; echo error >&2"], timeout=MINUTE, input="text")
    assert (done.stdout, done.stderr) == ("text", "error\n")


def test_users_and_folders(overlay: Overlay) -> None:
    done = overlay.run(["sh", "-c", "id -un; pwd; echo $HOME"], timeout=MINUTE, user="farm",
                       cwd="/var/tmp")  # noqa: S108  # fmt: skip
    assert done.stdout.split() == ["farm", "/var/tmp", "/home/farm"]  # noqa: S108


def test_a_folder_that_is_not_there(overlay: Overlay) -> None:
    with pytest.raises(PlaceError, match="cannot be entered") as caught:
        overlay.run(["true"], timeout=MINUTE, cwd="/none")
    assert caught.value.details == "/none: No such file or directory"


def test_a_layer_that_is_not_there(layout: Layout, base_chroot: Base) -> None:
    layers = [layout.trees / "none", base_chroot.tree]
    overlay = Overlay(layout.environments / new_name("test"), layers=layers).create()
    try:
        with pytest.raises(PlaceError, match="cannot be entered") as caught:
            overlay.run(["true"], timeout=MINUTE)
        assert "No such file or directory" in caught.value.details
    finally:
        overlay.remove()


def test_time_is_bounded_and_nobody_is_left(overlay: Overlay) -> None:
    with pytest.raises(CommandTimeout):
        overlay.run(["sh", "-c", "trap '' TERM; setsid sleep 999 & sleep 999"],
                    timeout=timedelta(seconds=1))  # fmt: skip
    assert end_processes(label_of(overlay.folder)) == []


def test_one_at_a_time_and_two_beside_each_other(
    overlay: Overlay, layout: Layout, base_chroot: Base
) -> None:
    with pytest.raises(PlaceError, match="is in use"):
        Overlay(overlay.folder, layers=[base_chroot.tree]).create()
    other = Overlay(layout.environments / new_name("test"), layers=[base_chroot.tree]).create()
    overlay.run(["touch", "/srv/mine"], timeout=MINUTE)
    assert other.run(["ls", "/srv"], timeout=MINUTE).stdout == ""
    other.remove()


def test_what_is_bound_in_can_be_read_only(
    layout: Layout, base_chroot: Base, tmp_path: Path
) -> None:
    folder = layout.temporary / "bound"
    folder.mkdir(parents=True)
    (folder / "file").write_text("text")
    overlay = Overlay(
        layout.environments / new_name("test"),
        layers=[base_chroot.tree],
        binds=[Bind(folder, "/farm/source")],
    ).create()
    script = "cat /farm/source/file; echo more >> /farm/source/file; rm /farm/source/file"
    done = overlay.run(["sh", "-c", script], timeout=MINUTE, ok=None)
    overlay.remove()
    assert done.stdout == "text"
    assert done.stderr.count("Permission denied") == 2
    assert (folder / "file").read_text() == "text"


def test_it_becomes_a_layer(overlay: Overlay, layout: Layout, base_chroot: Base) -> None:
    overlay.run(["sh", "-c", "echo text > /etc/new; rm -r /usr/share/doc"], timeout=MINUTE)
    tree = layout.trees / new_name("layer")
    overlay.adopt(tree)
    above = Overlay(
        layout.environments / new_name("test"), layers=[tree, base_chroot.tree]
    ).create()
    script = "cat /etc/new; ls -d /usr/share/doc"
    done = above.run(["sh", "-c", script], timeout=MINUTE, ok=None)
    above.remove()
    remove_tree(tree)
    assert done.stdout == "text\n"
    assert "No such file" in done.stderr


def test_usage(overlay: Overlay) -> None:
    before = overlay.usage()
    overlay.run(["dd", "if=/dev/zero", "of=/srv/big", "bs=1M", "count=5"], timeout=MINUTE)
    assert 5 * 2**20 <= overlay.usage() - before < 6 * 2**20


def test_a_process_of_a_caller_that_is_gone_ends_with_the_sweep(
    layout: Layout, base_chroot: Base
) -> None:
    """It was started, and its caller was killed before it could notice."""
    overlay = Overlay(layout.environments / new_name("test"), layers=[base_chroot.tree]).create()
    words = overlay.argv(["sleep", "1000"], caller=0)
    run(["setsid", "--fork", *words], cwd=overlay.folder, timeout=MINUTE)
    label = label_of(overlay.folder)
    wait_until(lambda: _has_processes(label), what="the orphan")
    overlay.leave()
    assert sweep(layout.environments, is_kept=lambda _: False) == [overlay.folder.name]
    assert not _has_processes(label)
    assert not lock_of(overlay.folder).exists()


def _has_processes(label: str) -> bool:
    for name in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208
        try:
            if f"{label} / overlay" in Path(f"/proc/{name}/mounts").read_text():
                return True
        except OSError:
            continue
    return False


def test_the_janitor_removes_what_the_sandbox_made(overlay: Overlay, layout: Layout) -> None:
    overlay.run(["sh", "-c", "mkdir -p /srv/a/b; chmod 0 /srv/a/b /srv/a; chown 1:1 /srv/a"],
                timeout=MINUTE)  # fmt: skip
    remove_tree(overlay.folder / "upper")
    assert not (overlay.folder / "upper").exists()
    janitor(["mkdir", "upper"], cwd=overlay.folder)
