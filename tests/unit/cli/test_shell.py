"""``farm shell``: which environment is entered, and how."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from farm.build.failures import DEPENDENCIES_LOG, Failure, Failures
from farm.cli import shell
from farm.model.layout import Layout
from farm.place.overlay import Overlay
from farm.place.session import Visit
from tests.unit.cli.conftest import Command
from tests.unit.cli.sample import Sample

NAME = "web@bookworm-amd64"
FAILURE = Failure(
    name=NAME, key="k", run="1", environment="web-1", layers=("base-1",),
    directory="/build/web-1.0", command=("dpkg-buildpackage", "-us", "-uc", "-b"),
    variables=(("DEB_BUILD_OPTIONS", "parallel=1"),), source="/nowhere",
    reason="it ended", excerpt="", log="/somewhere/log", when="2024-05-01T12:00:00+00:00",
)  # fmt: skip


@dataclass
class Visits:
    """What was entered, and what was run there."""

    talking: bool = False
    made: list[tuple[Overlay, tuple[str, ...], Visit]] = field(default_factory=list)


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> Visits:
    """Note visits instead of making them; each ends with 7."""
    found = Visits()

    class FakeSession:
        def __init__(self, overlay: Overlay) -> None:
            self._overlay = overlay

        def run(self, argv: Sequence[str], visit: Visit) -> int:
            found.made.append((self._overlay, tuple(argv), visit))
            return 7

    monkeypatch.setattr(shell, "Session", FakeSession)
    monkeypatch.setattr(shell, "is_talking", lambda: found.talking)
    return found


@pytest.fixture
def failure(sample: Sample) -> Failure:
    """Give a failure whose source was unpacked."""
    sample.package("web")
    return remember(sample, FAILURE)


def layout_of(sample: Sample) -> Layout:
    return Layout(sample.root / ".farm")


def remember(sample: Sample, failure: Failure) -> Failure:
    layout = layout_of(sample).prepare()
    (layout.trees / "base-1").mkdir(exist_ok=True)
    (layout.environments / failure.environment / "upper/build/web-1.0").mkdir(parents=True)
    Failures(layout).add(failure)
    return failure


@pytest.mark.usefixtures("failure")
@pytest.mark.parametrize(("words", "user", "network", "argv"), [
    ("web", "farm", False, ("bash", "--noprofile", "--norc")),
    ("web@bookworm-amd64 --root", "root", False, ("bash", "--noprofile", "--norc")),
    ("--root web --network", "root", True, ("bash", "--noprofile", "--norc")),
    ("web -- make -C tests", "farm", False, ("make", "-C", "tests")),
    ("web make -C tests", "farm", False, ("make", "-C", "tests")),
    ("web --network -- git log -- file", "farm", True, ("git", "log", "--", "file")),
    ("web -- git log -- file", "farm", False, ("git", "log", "--", "file")),
    ("--root web -- id", "root", False, ("id",)),
])  # fmt: skip
def test_command_lines(
    command: Command, visits: Visits, words: str, user: str, network: object, argv: tuple[str, ...]
) -> None:
    assert command("shell", *shlex.split(words)).status == 7
    ((_, ran, visit),) = visits.made
    assert (visit.user, visit.network, ran) == (user, network, argv)


@pytest.mark.usefixtures("failure")
def test_one_is_where_the_build_was(command: Command, visits: Visits, sample: Sample) -> None:
    command("shell", "web")
    ((overlay, _, visit),) = visits.made
    assert visit.directory == "/build/web-1.0"
    assert visit.env["DEB_BUILD_OPTIONS"] == "parallel=1"
    assert visit.env["PS1"] == rf"({NAME}) \u:\w\$ "
    assert overlay.folder == layout_of(sample).environments / "web-1"
    assert overlay.layers == (layout_of(sample).trees / "base-1",)


@pytest.mark.usefixtures("failure")
def test_proxies_are_known_only_with_a_network(
    command: Command, visits: Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example")
    command("shell", "web")
    command("shell", "web", "--network")
    assert ["https_proxy" in visit.env for *_, visit in visits.made] == [False, True]


@pytest.mark.usefixtures("failure")
def test_a_person_is_told_where_they_are(command: Command, visits: Visits) -> None:
    assert command("shell", "web").out == ""
    visits.talking = True
    assert command("shell", "web", "--", "true").out == ""
    assert command("shell", "web").out.splitlines()[1:3] == [
        "This is its source tree, /build/web-1.0, and you are farm. "
        "There is no network: --network allows one.",
        "Try again with: dpkg-buildpackage -us -uc -b",
    ]
    assert "The network is the host's." in command("shell", "web", "--network").out


def test_a_source_that_was_not_unpacked(
    command: Command, visits: Visits, sample: Sample, failure: Failure
) -> None:
    (layout_of(sample).environments / "web-1/upper/build/web-1.0").rmdir()
    visits.talking = True
    assert "Its source was not unpacked; this is /" in command("shell", "web").out
    assert visits.made[0][2].directory == "/"


@pytest.mark.usefixtures("failure")
def test_the_latest_one_is_entered(command: Command, visits: Visits, sample: Sample) -> None:
    for number, when in ((2, "2024-05-03"), (3, "2024-05-02")):
        remember(sample, replace(FAILURE, environment=f"web-{number}", when=when))
    command("shell", "web")
    assert visits.made[0][0].folder.name == "web-2"


# Nothing to enter.


@pytest.mark.usefixtures("visits")
@pytest.mark.parametrize(("words", "sentence", "hint"), [
    (("web",), f"No failed build of web is kept: {NAME} was not built yet.",
     "Build it with: pytest --release dev --package web"),
    (("weg",), "There is no package 'weg'; did you mean web?", "Known are: web."),
    (("web@trixie-amd64",), "There is no target 'trixie-amd64'", "Known are: bookworm-amd64."),
    (("web", "--root", "make"), "What is make?", "farm shell web -- make"),
    (("web", "--rot"), "What is --rot?", "farm shell web -- --rot"),
])  # fmt: skip
def test_refusals(
    command: Command, sample: Sample, words: tuple[str, ...], sentence: str, hint: str
) -> None:
    sample.package("web")
    answer = command("shell", *words)
    assert answer.status == 2
    assert sentence in answer.err
    assert hint in answer.err


@pytest.mark.usefixtures("visits")
def test_a_package_that_builds(command: Command, sample: Sample) -> None:
    sample.package("web")
    sample.build("web")
    assert f"No failed build of web is kept: {NAME} builds." in command("shell", "web").err


@pytest.mark.usefixtures("visits")
def test_a_build_that_has_not_begun(command: Command, sample: Sample) -> None:
    sample.package("web")
    log = layout_of(sample).failures / NAME / DEPENDENCIES_LOG
    log.parent.mkdir(parents=True)
    log.write_text("its build dependencies cannot be installed: no luck.\nmore\n")
    answer = command("shell", "web")
    assert answer.status == 2
    assert f"The build of {NAME} has not begun: its build dependencies cannot" in answer.err
    assert str(log) in answer.err


@pytest.mark.usefixtures("visits", "failure")
@pytest.mark.parametrize("lost", ["environments/web-1", "cache/trees/base-1"])
def test_what_somebody_has_deleted(command: Command, sample: Sample, lost: str) -> None:
    (layout_of(sample).root / lost).rename(layout_of(sample).root / "elsewhere")
    answer = command("shell", "web")
    assert answer.status == 2
    assert f"{layout_of(sample).root / lost} is gone" in answer.err
