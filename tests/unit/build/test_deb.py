"""What a Debian build is asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.errors import BuildFailed, CommandTimeout
from farm.base.run import Result
from farm.build.deb import Order, build, upstream_version
from farm.model.artifact import SourcePackage, StoredFile
from farm.model.target import Target
from farm.place.overlay import Overlay

SOURCE = SourcePackage(
    "tool", "2:1.0-3", "d" * 64, StoredFile("tool_1.0-3.dsc", "0" * 64, 1, Path("/x")),
    (), ("tool",), "folder tool",
)  # fmt: skip
ORDER = Order(
    source=SOURCE, target=Target("bookworm", "amd64"), expected=("tool",), options=("nodoc",),
    profiles=(), parallel=4, timeout=timedelta(minutes=90), disk=2**30, log_limit=2**20,
)  # fmt: skip


@pytest.mark.parametrize(("version", "upstream"), [
    ("1.0", "1.0"), ("1.0-1", "1.0"), ("2:1.0-1-2", "1.0-1"), ("1:2", "2"),
])  # fmt: skip
def test_upstream_version(version: str, upstream: str) -> None:
    assert upstream_version(version) == upstream


def test_the_source_tree_has_no_epoch_and_no_revision() -> None:
    assert ORDER.directory == "/build/tool-1.0"


def test_the_environment() -> None:
    assert ORDER.environment == {
        "DEB_BUILD_OPTIONS": "parallel=4 nodoc", "DEBIAN_FRONTEND": "noninteractive",
    }  # fmt: skip
    with_profiles = replace(ORDER, profiles=("nocheck", "stage1"))
    assert with_profiles.environment["DEB_BUILD_PROFILES"] == "nocheck stage1"


class FakeOverlay(Overlay):
    """Gives prepared results, one a command, and remembers what was asked."""

    def __init__(self, *results: Result | CommandTimeout) -> None:
        super().__init__(Path("/nowhere"), layers=[])
        self.results = list(results)
        self.asked: list[tuple[tuple[str, ...], dict[str, object]]] = []

    def run(self, argv, **settings):  # type: ignore[no-untyped-def]
        self.asked.append((tuple(argv), settings))
        result = self.results.pop(0)
        if isinstance(result, CommandTimeout):
            raise result
        return result


def result(returncode: int = 0, stopped: str = "") -> Result:
    return Result((), returncode, "", "", 0.0, stopped)


def try_build(tmp_path: Path, *results: Result | CommandTimeout) -> tuple[str, FakeOverlay]:
    overlay = FakeOverlay(*results)
    log = tmp_path / "log"
    log.write_text("error: first\n" + "a line\n" * 30)
    with pytest.raises(BuildFailed) as caught:
        build(ORDER, overlay, log=log, into=tmp_path, watch=lambda: None, tell=lambda _: None)
    return str(caught.value), overlay


def test_both_steps_are_bounded(tmp_path: Path) -> None:
    _, overlay = try_build(tmp_path, result(), result(), result(1))
    (_, unpack), (command, compile_) = overlay.asked[1:]
    assert command == ("dpkg-buildpackage", "-us", "-uc", "-b")
    assert compile_["timeout"] == timedelta(minutes=90)
    for asked in (unpack, compile_):
        assert (asked["user"], asked["log_limit"]) == ("farm", 2**20)
        assert asked["watch"] is not None
    assert overlay.file_limit == 2**30


def test_a_source_that_does_not_unpack_is_to_blame(tmp_path: Path) -> None:
    text, overlay = try_build(tmp_path, result(), result(25))
    assert text.splitlines()[:2] == [
        "dpkg-source --no-check -x /farm/source/tool_1.0-3.dsc /build/tool-1.0 "
        "ended with exit status 25",
        "error: first",
    ]
    assert len(overlay.asked) == 2


def test_what_is_too_slow_is_told_by_its_last_lines(tmp_path: Path) -> None:
    text, _ = try_build(tmp_path, result(), result(), CommandTimeout("ended"))
    assert text.splitlines()[0] == "it was still building after 1:30:00 and was ended"
    assert "error: first" not in text


def test_what_was_stopped_is_told_by_its_last_lines(tmp_path: Path) -> None:
    text, _ = try_build(tmp_path, result(), result(), result(-9, "it filled the disk"))
    assert text.splitlines()[0] == "it filled the disk"
    assert "error: first" not in text
