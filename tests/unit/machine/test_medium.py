"""What is put on a medium."""

from __future__ import annotations

from pathlib import Path

from farm.machine.fai_root import INITRD, KERNEL, ROOT
from farm.machine.medium import lay_out
from farm.machine.wish import File


def test_a_medium_boots_what_is_on_it(tmp_path: Path) -> None:
    files = {name: tmp_path / f"made-{name}" for name in (KERNEL, INITRD, ROOT, "base.tar.zst")}
    for name, path in files.items():
        path.write_text(name)
    space = {"class/10-farm": File(b"#!/bin/bash\n", executable=True), "a/b": File(b"text")}
    folder = tmp_path / "medium"
    folder.mkdir()
    lay_out(folder, files=files, space=space, hostname="ipbx")
    assert sorted(path.name for path in folder.iterdir()) == sorted([*files, "boot", "config"])
    assert (folder / "config/class/10-farm").stat().st_mode & 0o111
    assert not (folder / "config/a/b").stat().st_mode & 0o111
    menu = (folder / "boot/grub/grub.cfg").read_text()
    assert f"linux /{KERNEL} root=live:CDLABEL=FARM " in menu
    assert f"rd.live.squashimg={ROOT} " in menu
    assert "hostname=ipbx\n" in menu
    assert "ip=" not in menu.replace("hostname=", "")
