"""``farm status``: how everything stands, without fetching or building anything."""

from __future__ import annotations

import json

import pytest

from farm.base.errors import InputError
from farm.base.files import Lock
from farm.machine.running import Box, Record
from tests.unit.cli.conftest import Command
from tests.unit.cli.sample import Sample


def states(command: Command) -> dict[str, tuple[str, list[str]]]:
    answer = command("status", "--json")
    assert answer.status == 0
    return {each["package"]: (each["state"], each["reasons"]) for each in answer.json["packages"]}


def test_a_source_that_was_never_fetched(command: Command, sample: Sample) -> None:
    sample.package("web")
    state, (reason,) = states(command)["web"]
    assert state == "unknown"
    assert reason.endswith("web_1.0.dsc has not been fetched yet")


def test_an_archive_that_was_never_read(command: Command, sample: Sample) -> None:
    sample.write('[package.calc]\ndebian = "sipcalc"\n')
    reason = "the archive of bookworm-amd64 has not been read yet"
    assert states(command)["calc"] == ("unknown", [reason])


def test_a_package_that_was_never_built(command: Command, sample: Sample) -> None:
    sample.package("web")
    sample.fetch()
    assert states(command)["web"] == ("needs build", ["it was never built here"])


def test_a_package_that_is_built(command: Command, sample: Sample) -> None:
    sample.package("web")
    sample.build("web")
    assert states(command)["web"] == ("built", [])


def test_what_changed_since_the_last_build(command: Command, sample: Sample) -> None:
    sample.package("web")
    sample.build("web")
    sample.package("web", "1.1", options='build_options = ["nocheck"]')
    sample.fetch()
    reasons = ["its source changed (1.0 -> 1.1)", "its build options changed"]
    assert states(command)["web"] == ("needs build", reasons)


def test_a_package_is_built_after_what_it_needs(command: Command, sample: Sample) -> None:
    sample.package("lib")
    sample.package("web", needs="lib")
    sample.build("lib", "web")
    sample.package("lib", "1.1")
    sample.fetch()
    reason = "it is built with lib@bookworm-amd64, which is to be built first"
    assert states(command)["web"] == ("needs build", [reason])


def test_a_failed_package_blocks_what_needs_it_and_nothing_else(
    command: Command, sample: Sample
) -> None:
    sample.package("lib")
    sample.package("web", needs="lib")
    sample.package("other")
    sample.build("other")
    sample.fail("lib")
    found = states(command)
    assert found["lib"] == ("failed", ["make ended with exit status 2"])
    reason = "it is built with lib@bookworm-amd64, which does not build"
    assert found["web"] == ("blocked", [reason])
    assert found["other"] == ("built", [])


def test_how_a_failed_build_is_entered_and_released(command: Command, sample: Sample) -> None:
    sample.package("web")
    sample.fail("web")
    out = command("status").out
    assert "kept environments of failed builds\n  web@bookworm-amd64  2024-05-01" in out
    assert "farm shell NAME" in out
    assert "farm gc --failed NAME" in out


def test_what_needs_an_unknown_package_is_unknown_too(command: Command, sample: Sample) -> None:
    sample.package("lib")
    sample.package("web", needs="lib")
    sample.build("lib", "web")
    sample.package("lib", "1.1")  # and nobody has fetched it
    reason = "nothing is known of lib@bookworm-amd64, which it is built with"
    assert states(command)["web"] == ("unknown", [reason])


def test_packages_that_need_each_other_in_a_circle(command: Command, sample: Sample) -> None:
    sample.package("lib", needs="web")
    sample.package("web", needs="lib")
    sample.package("other")
    with pytest.raises(InputError, match="circle"):
        sample.fetch()
    state, (reason,) = states(command)["other"]
    assert state == "unknown"
    assert reason.startswith("packages need each other in a circle: ")


def test_repositories_that_were_never_published(command: Command, sample: Sample) -> None:
    assert sample.root.is_dir()
    out = command("status").out
    assert "  rc          never published\n  production  never published\n" in out


def test_a_run_that_goes_on_is_shown(command: Command, sample: Sample) -> None:
    folder = sample.root / ".farm" / "runs" / "20240501T120000-abcdef"
    alive = Lock(folder / "gw0.alive")
    assert alive.try_acquire()
    doing = {"item": "build[web@bookworm-amd64]", "what": "compiling", "since": 0}
    (folder / "gw0.activity").write_text(json.dumps(doing))
    assert "gw0: build[web@bookworm-amd64]: compiling" in command("status").out
    alive.release()
    assert "compiling" not in command("status").out


def test_a_machine_that_is_kept_comes_with_the_way_in(command: Command, sample: Sample) -> None:
    box = Box(sample.root / ".farm/machines/farm-1-bookworm-amd64-a")
    box.folder.mkdir(parents=True)
    box.write(
        Record(
            box.folder.name,
            "machine@bookworm-amd64",
            "/nowhere",
            {"22": 2222},
            "run",
            "The page / answers with status 500.",
            "2026-01-02T03:04:05+00:00",
        )
    )
    answer = command("status")
    assert "kept machines" in answer.out
    assert "machine@bookworm-amd64" in answer.out
    assert "The page / answers with status 500." in answer.out
    assert "farm shell NAME enters one" in answer.out
    (machine,) = command("status", "--json").json["machines"]
    assert (machine["name"], machine["console"]) == ("machine@bookworm-amd64", str(box.console))
