"""``farm why``: the input that changed, or that nothing did."""

from __future__ import annotations

from contextlib import closing

from farm.release.listing import compare, list_source
from tests.unit.cli.conftest import Command
from tests.unit.cli.sample import Sample


def test_nothing_to_do(command: Command, sample: Sample) -> None:
    sample.package("web")
    (build,) = sample.build("web")
    answer = command("why", "web")
    assert answer.status == 0
    first, second, log = answer.out.splitlines()
    assert first == (
        "Nothing to do: web@bookworm-amd64 1.0 is built, and nothing that goes into it has "
        "changed since."
    )
    assert second.startswith("It was built on ")
    assert build.key[:16] in second
    assert log == f"Its log: {build.log}"


def test_never_built(command: Command, sample: Sample) -> None:
    sample.package("web")
    out = command("why", "web@bookworm-amd64").out
    assert out == "web@bookworm-amd64 1.0 would be built: it was never built here.\n"


def test_another_version(command: Command, sample: Sample) -> None:
    sample.package("web")
    sample.build("web")
    sample.package("web", "1.1")
    out = command("why", "web").out
    assert out == "web@bookworm-amd64 1.1 would be built: its source changed (1.0 -> 1.1).\n"


def test_a_build_that_somebody_removed(command: Command, sample: Sample) -> None:
    sample.package("web")
    (build,) = sample.build("web")
    build.log.parent.rename(sample.root / "elsewhere")
    out = command("why", "web").out
    assert "would be built: its build is no longer in the store." in out


def test_what_it_is_built_with_is_built_first_and_why(command: Command, sample: Sample) -> None:
    sample.package("lib")
    sample.package("web", needs="lib")
    sample.build("lib", "web")
    sample.package("lib", "1.1")
    assert command("why", "web").out.splitlines() == [
        "web@bookworm-amd64 1.0 would be built: it is built with lib@bookworm-amd64, which is to "
        "be built first.",
        "lib@bookworm-amd64 1.1 would be built: its source changed (1.0 -> 1.1).",
    ]


def test_what_it_is_built_with_was_built_anew(command: Command, sample: Sample) -> None:
    sample.package("lib")
    sample.package("web", needs="lib")
    sample.build("lib", "web")
    sample.package("lib", "1.1")
    sample.build("lib")
    reason = "lib@bookworm-amd64, which it is built with, was built anew"
    assert command("why", "web", "--json").json[0]["reasons"] == [reason]


def test_failed_last_time(command: Command, sample: Sample) -> None:
    sample.package("web")
    sample.fail("web")
    out = command("why", "web").out
    assert "would be tried again: it failed, and nothing that goes into it has changed" in out
    assert "make ended with exit status 2." in out
    assert "Look inside with: farm shell web@bookworm-amd64" in out


def test_failed_before_and_changed_since(command: Command, sample: Sample) -> None:
    sample.package("web")
    sample.build("web")
    sample.package("web", "1.1")
    sample.fail("web")
    sample.package("web", "1.2")
    first, second = command("why", "web").out.splitlines()[:2]
    assert first.endswith("would be built: its source changed (1.0 -> 1.2).")
    assert second.startswith("Its last try, on 2024-05-01 ")


def test_blocked_by_a_failure(command: Command, sample: Sample) -> None:
    sample.package("lib")
    sample.package("web", needs="lib")
    sample.fail("lib")
    out = command("why", "web").out
    assert "web@bookworm-amd64 1.0 is blocked: it is built with lib@bookworm-amd64, which" in out
    assert "lib@bookworm-amd64 1.0 failed: make ended with exit status 2." in out
    assert "farm shell lib@bookworm-amd64" in out


def test_an_unknown_package_or_target(command: Command, sample: Sample) -> None:
    sample.package("web")
    answer = command("why", "wev")
    assert answer.status == 2
    assert "There is no package 'wev'; did you mean web?" in answer.err
    answer = command("why", "web@bookworm-amd46")
    assert answer.status == 2
    assert "did you mean bookworm-amd64?" in answer.err


def test_a_package_that_is_not_built_for_a_target(command: Command, sample: Sample) -> None:
    sample.package("web", options='targets = ["bookworm-amd64"]')
    sample.write("[target.trixie-amd64]\n")
    answer = command("why", "web@trixie-amd64")
    assert answer.status == 2
    assert "web is not built for trixie-amd64." in answer.err
    assert "bookworm-amd64" in answer.err


def test_which_files_of_a_source_changed(sample: Sample) -> None:
    sample.package("web", files={"a": "1", "b/c": "2", "d": "3"})
    sample.fetch()
    with closing(sample.open()) as workshop:
        old = workshop.plan().jobs["web@bookworm-amd64"].source
    sample.package("web", "1.1", files={"a": "1", "b/c": "changed", "e": "4"})
    with closing(sample.open()) as workshop:
        new = workshop.plan().jobs["web@bookworm-amd64"].source
    changes = compare(list_source(new), list_source(old))
    assert (changes.changed, changes.only_first, changes.only_second) == (("b/c",), ("e",), ("d",))
