"""The libvirt daemon of a user, without one."""

from __future__ import annotations

import importlib
import os
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.errors import FarmFault
from farm.machine import session


def test_without_libvirt_python_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(session, "_loaded", [])
    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(FarmFault) as caught:
        session.load_libvirt()
    assert caught.value.brief == "Machines need libvirt-python, which is not installed here."
    assert "pip install '.[machine]'" in caught.value.hint


def test_users_have_the_daemon_that_the_library_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert session.address() == "qemu:///session"


@pytest.mark.parametrize(("variables", "folder"), [
    ({"XDG_RUNTIME_DIR": "/run/user/0", "XDG_CACHE_HOME": "/c"}, "/run/user/0"),
    ({"XDG_CACHE_HOME": "/c"}, "/c"),
    ({}, "/home/r/.cache"),
])  # fmt: skip
def test_root_has_one_where_the_library_would_have_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], folder: str
) -> None:
    for name in ("XDG_RUNTIME_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/r"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert session.address() == f"qemu+unix:///session?socket={folder}/libvirt/libvirt-sock"


class NoDaemon:
    """libvirt's module where no daemon can be reached."""

    class libvirtError(Exception):  # noqa: N801
        """The name is libvirt's."""

    def open(self, address: str) -> None:
        raise self.libvirtError(f"Failed to connect to {address}")


@pytest.mark.parametrize("user", [0, 1000])
def test_a_daemon_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, user: int) -> None:
    started = []

    def start() -> None:
        started.append(True)
        raise FarmFault("libvirtd is not there.")

    monkeypatch.setattr(session, "_loaded", [NoDaemon()])
    monkeypatch.setattr(session, "_start_for_root", start)
    monkeypatch.setattr(session, "_ANSWER", timedelta(0))
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with pytest.raises(FarmFault) as caught:
        session.connect()
    assert caught.value.brief == "libvirt's daemon does not answer, so no machine can run."
    assert "Failed to connect" in caught.value.details
    assert ("libvirtd is not there." in caught.value.details) == (user == 0) == bool(started)
    assert "libvirt-daemon-driver-qemu" in caught.value.hint
