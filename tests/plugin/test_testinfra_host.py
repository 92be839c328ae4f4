"""Testinfra's host in a place of the farm; the place is a folder of this host."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from farm.base.errors import CommandTimeout, InputError
from farm.base.run import Result, run
from farm.plugin.testinfra_host import host_in

Host = Any  # testinfra's makes its parts when they are asked for, and does not declare them


class Folder:
    """A place whose commands run on this host, with commands of its own before the host's."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[str] = []

    def command(self, name: str, text: str) -> None:
        (self.root / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.root / name).chmod(0o755)

    def run(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        timeout: timedelta,
        user: str = "root",
        cwd: str = "/",
        env: Mapping[str, str] | None = None,
        input: str | None = None,
        ok: Sequence[int] | None = (0,),
        log: Path | None = None,
    ) -> Result:
        shell, option, line = (os.fspath(word) for word in argv)
        assert (shell, option, user, cwd) == ("/bin/sh", "-c", "root", "/")
        self.asked.append(line)
        env = {**(env or {}), "PATH": f"{self.root}:/usr/sbin:/usr/bin:/sbin:/bin"}
        return run(argv, timeout=timeout, cwd=self.root, env=env, input=input, ok=ok, log=log)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def host(folder: Folder) -> Host:
    return host_in(folder, timeout=timedelta(seconds=20))


def test_a_command_gives_status_and_both_streams(host: Host) -> None:
    answer = host.run("echo käse; echo oh >&2; exit 7")
    assert (answer.rc, answer.stdout, answer.stderr) == (7, "käse\n", "oh\n")
    assert answer.stdout_bytes == "käse\n".encode()
    assert answer.failed


def test_arguments_are_quoted(host: Host) -> None:
    assert host.check_output("printf '%%s,' %s %s", "a b", "$(c)';") == "a b,$(c)';,"


def test_a_failed_check_names_the_command_and_its_output(host: Host) -> None:
    with pytest.raises(AssertionError, match=r"Unexpected exit code 3 .*echo no; exit 3.*'no"):
        host.check_output("echo no; exit 3")


def test_files_are_looked_at(host: Host, folder: Folder) -> None:
    path = folder.root / "notes"
    path.write_text("one\nzwölf\n")
    path.chmod(0o640)
    found = host.file(str(path))
    assert found.exists
    assert found.mode == 0o640
    assert found.content_string == "one\nzwölf\n"
    assert found.content == path.read_bytes()
    assert found.contains("^zw")
    assert not host.file(str(folder.root / "none")).exists


def test_bytes_that_were_lost_are_not_made_up(host: Host) -> None:
    with pytest.raises(InputError, match="no UTF-8 text"):
        _ = host.run("printf '\\377'").stdout_bytes


def test_a_package_is_asked_of_dpkg(host: Host, folder: Folder) -> None:
    folder.command(
        "dpkg-query",
        'case "$*" in *absent) exit 1 ;; esac\necho install ok installed 1.2-3',
    )
    assert host.package("sipsak").is_installed
    assert host.package("sipsak").version == "1.2-3"
    assert not host.package("absent").is_installed


def test_a_service_without_an_init_system_is_not_running(host: Host, folder: Folder) -> None:
    folder.command("systemctl", "echo offline; exit 3")
    folder.command("service", "exit 3")
    assert not host.service("sipsak").is_running


def test_two_places_are_never_mixed_up(host: Host, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Folder(tmp_path / "other")
    other.command("only-here", "exit 0")
    assert host_in(other, timeout=timedelta(seconds=20)).exists("only-here")
    assert not host.exists("only-here")


def test_sudo_needs_no_sudo(host: Host, folder: Folder) -> None:
    folder.command("getent", "echo alice:x:1:1::/home/alice:/bin/sh")
    folder.command("runuser", 'echo "$HOME $USER: $*"')
    with host.sudo("alice"):
        assert host.check_output("echo %s", "a b") == (
            "/home/alice alice: -u alice -- /bin/sh -c echo 'a b'"
        )
    with host.sudo():
        assert host.check_output("echo hello") == "hello"
    assert host.check_output("echo again") == "again"


def test_a_command_has_a_limited_time(host: Host) -> None:
    with pytest.raises(CommandTimeout):
        host.run("sleep 600", timeout=timedelta(seconds=0.3))


def test_an_argument_that_nobody_knows_is_refused(host: Host) -> None:
    with pytest.raises(InputError, match=r"host.run\(\) knows no user=, only timeout="):
        host.run("true", user="alice")


def test_a_host_is_named_in_messages(folder: Folder) -> None:
    host = host_in(folder, timeout=timedelta(seconds=20), name="sipsak@bookworm-amd64")
    assert repr(host) == "<testinfra.host.Host place://sipsak@bookworm-amd64>"
    assert "backend=place://sipsak@bookworm-amd64," in repr(host.run("true"))
