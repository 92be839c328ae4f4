"""Memory of machines through sockets."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.errors import FarmFault
from farm.machine.memory import receiving, send

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


def test_what_is_sent_arrives(tmp_path: Path) -> None:
    content = os.urandom(3 * 2**20 + 1)
    (tmp_path / "from").write_bytes(content)
    with receiving(tmp_path / "to") as receiver:
        send(tmp_path / "from", to=receiver.socket_path, timeout=MINUTE)
        assert receiver.has_all(within=MINUTE)
    assert (tmp_path / "to").read_bytes() == content
    assert not receiver.socket_path.exists()


def test_nothing_has_arrived_yet(tmp_path: Path) -> None:
    with receiving(tmp_path / "to") as receiver:
        assert not receiver.has_all(within=timedelta(milliseconds=1))


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with receiving(tmp_path / "no" / "folder") as receiver, socket.socket(socket.AF_UNIX) as talk:
        talk.connect(str(receiver.socket_path))  # it may hang up before anything is sent
        with pytest.raises(FarmFault, match=r"cannot be written to .*: No such file or directory"):
            receiver.has_all(within=MINUTE)


def test_nobody_listens(tmp_path: Path) -> None:
    (tmp_path / "from").write_bytes(b"1")
    with pytest.raises(FarmFault, match=r"does not take its memory from .*No such file"):
        send(tmp_path / "from", to=tmp_path / "socket", timeout=SECOND)
