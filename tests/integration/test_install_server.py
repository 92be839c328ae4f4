"""What a machine gets from this host, and what this host takes from a machine."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.machine.server import Offer, Served, serve

SECOND = 5.0


@pytest.fixture
def heard() -> list[str]:
    return []


@pytest.fixture
def served(tmp_path: Path, heard: list[str]) -> Iterator[Served]:
    for folder in ("tree/pool", "uploads"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "tree/pool/a.deb").write_text("deb")
    (tmp_path / "kernel").write_text("kernel")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "tree/link").symlink_to(tmp_path / "secret")
    offer = Offer(
        files={"vmlinuz": tmp_path / "kernel"}, trees={"candidate": tmp_path / "tree"},
        uploads=tmp_path / "uploads", heard=heard.append,
    )  # fmt: skip
    with serve(lambda _: offer) as found:
        yield found


def ask(served: Served, method: str, path: str, body: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection(served.address, served.port, timeout=SECOND)
    with contextlib.closing(connection):
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.mark.parametrize(
    ("path", "content"),
    [("/vmlinuz", "kernel"), ("/candidate/pool/a.deb", "deb")],
)
def test_what_is_offered_is_given(served: Served, path: str, content: str) -> None:
    assert ask(served, "GET", path) == (200, content)


@pytest.mark.parametrize(
    "path",
    ["/", "/kernel", "/candidate", "/candidate/../secret", "/candidate/%2e%2e/secret",
     "/candidate/link", "//secret", "/other/pool/a.deb"],
)  # fmt: skip
def test_nothing_else_is(served: Served, path: str) -> None:
    assert ask(served, "GET", path)[0] == 404


def test_logs_are_taken_under_their_own_name(served: Served, tmp_path: Path) -> None:
    assert ask(served, "PUT", "/upload/logs.tar.gz", "data")[0] == 201
    assert (tmp_path / "uploads/logs.tar.gz").read_text() == "data"


def test_a_machine_cannot_fill_the_disk_with_logs(served: Served, tmp_path: Path) -> None:
    answers = [ask(served, "PUT", f"/upload/{number}", "data")[0] for number in range(20)]
    assert answers == [201] * 16 + [403] * 4


@pytest.mark.parametrize("name", [".bashrc", "a b", "..", "%2e%2e", "x" * 200])
def test_but_under_no_other(served: Served, tmp_path: Path, name: str) -> None:
    assert ask(served, "PUT", f"/upload/{name}".replace(" ", "%20"), "data")[0] == 403
    assert list((tmp_path / "uploads").iterdir()) == []


def test_the_monitor_hears_a_line_a_connection(served: Served, heard: list[str]) -> None:
    address = (served.address, served.monitor_port)
    with socket.create_connection(address, timeout=SECOND) as talk:
        talk.sendall(b"ipbx TASKBEGIN partition\nmore\n")
        talk.recv(1)  # it hangs up
    assert heard == ["ipbx TASKBEGIN partition"]


def test_half_a_log_is_none(served: Served, tmp_path: Path) -> None:
    address = (served.address, served.port)
    with socket.create_connection(address, timeout=SECOND) as talk:
        talk.sendall(b"PUT /upload/logs.tar.gz HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")
        talk.shutdown(socket.SHUT_WR)
        assert talk.recv(1) == b""  # it hangs up, when it has cleaned up
    assert list((tmp_path / "uploads").iterdir()) == []
