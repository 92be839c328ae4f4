"""The scripts that debian-installer runs, run here: programs of the installer are played."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.run import run
from farm.machine.preseed import pack_site
from farm.machine.preseed_scripts import EARLY, LATE, SCRIPTS
from farm.machine.wish import File
from tests.unit.machine.test_preseed import WISH

TOOL = timedelta(seconds=20)
SITE = {"files/etc/motd": File(b"hello"), "scripts/10-x": File(b"#!/bin/sh\n", executable=True)}
ANSWERS = {
    "preseed/url": "http://10.0.2.2:8080/preseed.cfg", "netcfg/get_hostname": "ipbx",
    "debian-installer/locale": "C.UTF-8",
    "apt-setup/local0/repository": "@SERVER@/candidate bookworm main",
}  # fmt: skip
# Each notes how it was called, and what it was given.
PLAYED = {
    "debconf-get": 'cat "$ROOT/answers/$1" 2> /dev/null',
    "debconf-set": 'printf "%s\\n" "$2" > "$ROOT/answers/$1"',
    "in-target": 'echo "in-target $*" >> "$ROOT/said"; [ ! -e "$ROOT/fails" ]',
    "logger": ":",
    "nc": 'echo "nc $* $(cat)" >> "$ROOT/said"',
    "poweroff": 'echo "poweroff $*" >> "$ROOT/said"',
    "wget": 'cp "$ROOT/site.tar" "$3"',
    "tail": 'cat "$ROOT/var/log/syslog"',
}


class Played:
    """The installer's system in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("bin", "tmp", "var/log", "usr/lib/post-base-installer.d", "proc",
                     "target/etc/apt/sources.list.d", "target/etc/default"):  # fmt: skip
            (root / name).mkdir(parents=True)
        for name, text in PLAYED.items():
            (root / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
            (root / "bin" / name).chmod(0o755)
        for question, value in ANSWERS.items():
            path = root / "answers" / question
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{value}\n")
        for folder in ("mirror/http", "apt-setup/local0"):
            (root / "answers" / folder).mkdir(parents=True, exist_ok=True)
        (root / "proc/cmdline").write_text(
            "a FARM_MONITOR=8081 FARM_PROXY=http://10.0.2.2:3142 b\n"
        )
        (root / "var/log/syslog").write_text("nothing\n")
        (root / "tmp/locale").write_text("C.UTF-8\n")
        (root / "site.tar").write_bytes(pack_site(replace(WISH, site=SITE)))

    def run(self, name: str, *, last: str = "wait") -> int:
        places = (
            r'(?<![\w}"])/(target|tmp/|proc/)|(?<=")/var/log|/usr/lib/post-base|/var/log/syslog'
        )
        text = re.sub(places, lambda match: f"{self.root}{match[0]}", SCRIPTS[name])
        env = {"ROOT": str(self.root), "PATH": f"{self.root}/bin:/usr/bin:/bin"}
        done = run(["/bin/sh", "-c", f"{text}{last}\n"], timeout=TOOL, env=env, ok=None)
        return done.returncode

    def unpack(self) -> None:
        site = self.root / "tmp/site"
        site.mkdir()
        run(["tar", "-x", "-C", site, "-f", self.root / "site.tar"], timeout=TOOL)

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()

    def text(self, name: str) -> str:
        return self.read(name).decode()

    @property
    def said(self) -> list[str]:
        path = self.root / "said"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def played(tmp_path: Path) -> Played:
    return Played(tmp_path)


def test_the_addresses_of_this_run_are_filled_in_early(played: Played) -> None:
    assert played.run(EARLY) == 0
    where = "http://10.0.2.2:8080/candidate bookworm main\n"
    assert played.text("answers/apt-setup/local0/repository") == where
    assert played.text("answers/mirror/http/proxy") == "http://10.0.2.2:3142\n"
    assert played.text("tmp/site/authorized_keys") == "ssh-ed25519 AAAA farm\n"


def test_apt_asks_this_host_itself_and_the_proxy_for_all_else(played: Played) -> None:
    played.run(EARLY)
    hook = played.root / "usr/lib/post-base-installer.d/00farm"
    run([hook], timeout=TOOL)
    conf = played.text("target/etc/apt/apt.conf.d/90farm-install")
    assert 'Acquire::http::Proxy::10.0.2.2 "DIRECT";' in conf


def test_nobody_waits_for_the_watch_over_the_log(played: Played) -> None:
    (played.root / "bin/tail").write_text("#!/bin/sh\nexec sleep 30\n")
    assert played.run(EARLY, last=":") == 0


@pytest.mark.parametrize("line", [
    "main-menu[1]: (process:1): WARNING **: Configuring 'download-installer' failed with 1",
    "anna[1]: WARNING **: package retrieval failed",
    "net-retriever: error: Bad signature on /tmp/Release.",
])  # fmt: skip
def test_menu_items_are_told_and_one_that_fails_ends_it(played: Played, line: str) -> None:
    (played.root / "var/log/syslog").write_text(
        "main-menu[1]: INFO: Menu item 'choose-mirror' selected\n"
        "main-menu[1]: INFO: Menu item 'download-installer' selected\n"
        "anna[1]: DEBUG: retrieving apt-mirror-setup 1:0.182\n"
        f"{line}\n"
    )
    played.run(EARLY)
    said = [line for line in played.said if "TASK" in line or "poweroff" in line]
    assert said == [
        "nc 10.0.2.2 8081 ipbx TASKBEGIN choose-mirror",
        "nc 10.0.2.2 8081 ipbx TASKBEGIN download-installer",
        "nc 10.0.2.2 8081 ipbx TASKERROR fatal 1", "poweroff -f",
    ]  # fmt: skip
    assert any("PUT /upload/syslog HTTP/1.0" in line for line in played.said)


def test_what_was_wished_for_is_put_into_the_new_system(played: Played) -> None:
    played.unpack()
    assert played.run(LATE) == 0
    assert played.text("target/root/.ssh/authorized_keys") == "ssh-ed25519 AAAA farm\n"
    assert played.read("target/usr/share/keyrings/ipbx-rc-keyring.gpg") == b"key"
    own = played.text("target/etc/apt/sources.list.d/1-candidate.sources")
    assert "URIs: http://10.0.2.2:8080/candidate\n" in own
    assert played.text("target/etc/motd") == "hello"
    runs = [line for line in played.said if line.startswith("in-target env target= ROOTCMD= sh")]
    assert [line.rpartition("/")[2] for line in runs] == ["10-x"]
    assert played.said[-1] == "nc 10.0.2.2 8081 ipbx TASKEND installation 0"
    assert not (played.root / "target/tmp/farm-scripts").exists()


def test_what_does_not_come_is_told_and_powers_off_instead_of_asking(played: Played) -> None:
    (played.root / "site.tar").unlink()
    assert played.run(EARLY) != 0
    gave_up(played)


def test_a_script_of_the_workspaces_own_that_fails_does_so_too(played: Played) -> None:
    played.unpack()
    (played.root / "fails").touch()
    assert played.run(LATE) != 0
    gave_up(played)


def test_another_locale_than_was_wished_for_is_no_success(played: Played) -> None:
    played.unpack()
    (played.root / "tmp/locale").write_text("xx_XX\n")
    assert played.run(LATE) != 0
    gave_up(played)


def gave_up(played: Played) -> None:
    assert any(re.search("TASKERROR fatal [1-9]", line) for line in played.said)
    assert played.said[-1] == "poweroff -f"
    assert not any("TASKEND" in line for line in played.said)
