"""What differs from one look at a file system to the next."""

from __future__ import annotations

import pytest

from farm.release.filelist import Comparison, Differences, Entry, read_listing

FILE = Entry("f", "644", "0:0", 10, "1.5")
FOLDER = Entry("d", "755", "0:0", 4096, "1.5")
LINK = Entry("l", "777", "0:0", 4, "1.5", "tool")
BROKEN = Entry("l", "777", "0:0", 4, "1.5", "tool", broken=True)


def differences(before: dict[str, Entry], after: dict[str, Entry]) -> Differences:
    return Comparison(before, after).differences()


def test_a_listing_as_find_prints_it() -> None:
    text = (
        "d\x00755\x000:0\x004096\x001.5\x00d\x00\x00/usr\x00"
        "f\x00644\x000:0\x0010\x001.5\x00f\x00\x00/usr/a b\nc\x00"
        "l\x00777\x000:0\x004\x001.5\x00f\x00tool\x00/usr/works\x00"
        "l\x00777\x000:0\x004\x001.5\x00N\x00tool\x00/usr/broken\x00"
    )
    assert read_listing(text) == {
        "/usr": FOLDER, "/usr/a b\nc": FILE, "/usr/works": LINK, "/usr/broken": BROKEN,
    }  # fmt: skip


def test_nothing_differs() -> None:
    same = {"/usr": FOLDER, "/usr/tool": FILE, "/usr/link": LINK}
    later = {**same, "/usr": Entry("d", "755", "0:0", 8192, "9.9")}
    assert not differences(same, later), "what a folder holds is seen in what it holds"


def test_what_is_left_is_told_once() -> None:
    found = differences({}, {"/var/lib/app": FOLDER, "/var/lib/app/a": FILE, "/opt": LINK})
    assert found.lines() == [
        "left: /opt (link 777 0:0 -> tool)", "left: /var/lib/app (folder 755 0:0)",
    ]  # fmt: skip


def test_what_is_gone() -> None:
    assert differences({"/etc/motd": FILE}, {}).lines() == ["gone: /etc/motd (file 644 0:0)"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (FILE, FOLDER, "file 644 0:0, now folder 755 0:0"),
        (FILE, Entry("f", "4755", "0:0", 10, "2"), "file 644 0:0, now file 4755 0:0"),
        (FILE, Entry("f", "644", "0:106", 10, "2"), "file 644 0:0, now file 644 0:106"),
        (FILE, Entry("f", "644", "0:0", 12, "2"), "10 bytes, now 12"),
        (LINK, Entry("l", "777", "0:0", 3, "2", "vim"),
         "link 777 0:0 -> tool, now link 777 0:0 -> vim"),
    ],
    ids=["type", "mode", "owner", "size", "target"],
)  # fmt: skip
def test_what_has_changed(old: Entry, new: Entry, told: str) -> None:
    assert differences({"/x": old}, {"/x": new}).lines() == [f"changed: /x ({told})"]


def test_a_link_that_leads_nowhere_since() -> None:
    assert differences({"/x": LINK}, {"/x": BROKEN}).broken == ("/x (link 777 0:0 -> tool)",)
    assert not differences({"/x": BROKEN}, {"/x": BROKEN})


def test_the_content_of_files_that_were_written_to_decides() -> None:
    later = Entry("f", "644", "0:0", 10, "7.5")
    compared = Comparison({"/x": FILE, "/y": FILE, "/z": FILE},
                          {"/x": later, "/y": later, "/z": FILE})  # fmt: skip
    assert compared.doubtful() == ["/x", "/y"]
    closer = compared.with_digests({"/x": "a", "/y": "b"}, {"/x": "a", "/y": "c"})
    assert closer.differences().lines() == ["changed: /y (other content)"]


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "/etc/ld.so.cache", "/var/lib/dpkg/status", "/var/log/apt/term.log",
     "/var/cache/debconf/config.dat", "/run/app.pid", "/proc"],
)  # fmt: skip
def test_what_the_system_keeps_may_differ(path: str) -> None:
    later = Entry("f", "600", "0:0", 99, "7.5")
    assert not differences({}, {path: FILE})
    assert not differences({path: FILE}, {path: later})
    assert Comparison({path: FILE}, {path: later}).doubtful() == []


@pytest.mark.parametrize(
    "path",
    ["/var/lib/dpkg/diversions", "/var/lib/dpkg/alternatives/editor", "/var/log/app.log",
     "/var/cache/app", "/etc/passwd.app", "/running"],
)  # fmt: skip
def test_what_packages_have_to_take_away_may_not(path: str) -> None:
    assert differences({}, {path: FILE}).left == (f"{path} (file 644 0:0)",)
