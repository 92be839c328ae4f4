"""Pages in a real Chromium: what is seen, what goes wrong, and a picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from farm.machine.browser import look_at
from farm.machine.server import Offer, serve

MINUTE = timedelta(minutes=1)
PAGE = "<html><title>IPBX</title><body><h1>IPBX</h1><p>Version 1.0</p>{more}</body></html>"

Show = Callable[[str], str]


@pytest.fixture
def show(tmp_path: Path) -> Iterator[Show]:
    """Serve a page; gives its address."""
    if not Path("/usr/bin/chromium").exists() and not os.environ.get("FARM_CI"):
        pytest.skip("chromium is not installed")
    page = tmp_path / "served.html"
    with serve(lambda _: Offer({"index.html": page}, kind="text/html")) as served:

        def show(more: str) -> str:
            page.write_text(PAGE.replace("{more}", more))
            return f"http://{served.address}:{served.port}/index.html"

        yield show


def test_what_a_person_would_read_is_read(show: Show, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    seen = look_at(show("<p hidden>secret</p>"), picture=picture, timeout=MINUTE)
    assert (seen.status, seen.title, seen.problems) == (200, "IPBX", ())
    assert "Version 1.0" in seen.text
    assert "secret" not in seen.text
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_errors_of_scripts_and_what_is_missing_are_told(show: Show, tmp_path: Path) -> None:
    broken = "<script>nothing()</script><img src='/none.png'>"
    seen = look_at(show(broken), picture=tmp_path / "page.png", timeout=MINUTE)
    assert any("nothing is not defined" in problem for problem in seen.problems)
    assert any("404" in problem for problem in seen.problems)
