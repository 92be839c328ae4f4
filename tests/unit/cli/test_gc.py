"""``farm gc``: what nobody needs goes; what somebody may need stays."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from farm.base.files import Lock, temporary
from tests.unit.cli.conftest import Command
from tests.unit.cli.sample import Sample


def kinds(command: Command, *words: str) -> dict[str, list[str]]:
    """Give the names of what went, by kind."""
    answer = command("gc", "--json", *words)
    assert answer.status == 0
    found: dict[str, list[str]] = {}
    for each in answer.json["gone"]:
        found.setdefault(each["kind"], []).append(Path(each["path"]).name)
    return found


def test_nothing_to_remove(command: Command, sample: Sample) -> None:
    sample.package("web")
    sample.build("web")
    assert command("gc").out == "There is nothing to remove.\n"


def test_builds_and_sources_that_nothing_refers_to_go(command: Command, sample: Sample) -> None:
    sample.package("web")
    (old,) = sample.build("web")
    sample.package("web", "1.1")
    (new,) = sample.build("web")
    assert kinds(command) == {"builds": [old.key], "source packages": [old.source.digest]}
    assert not old.log.exists()
    assert new.log.exists()
    assert kinds(command) == {}
    with closing(sample.open()) as workshop:
        assert workshop.load_source(new.source.digest) == new.source


def test_a_dry_run_removes_nothing_and_names_it(command: Command, sample: Sample) -> None:
    sample.package("web")
    (old,) = sample.build("web")
    sample.package("web", "1.1")
    sample.build("web")
    out = command("gc", "--dry-run").out
    assert out.startswith("Would free ")
    assert str(old.log.parent) in out
    assert old.log.exists()
    assert command("gc").out.startswith("Freed ")


def test_what_would_be_built_now_stays_though_another_one_was_built_last(
    command: Command, sample: Sample
) -> None:
    sample.package("web")
    first = sample.entries["web"]
    (one,) = sample.build("web")
    sample.package("web", "1.1")
    (other,) = sample.build("web")
    sample.entries["web"] = first  # back to the first version, which is built already
    sample.write()
    assert kinds(command) == {}
    assert one.log.exists()
    assert other.log.exists()


def test_builds_of_packages_that_left_farm_toml_go(command: Command, sample: Sample) -> None:
    sample.package("web")
    (build,) = sample.build("web")
    del sample.entries["web"]
    sample.write()
    found = kinds(command)
    assert found["builds"] == [build.key]
    assert found["records of packages that are not in farm.toml"] == ["web@bookworm-amd64.json"]


def test_what_a_killed_process_left_goes_and_what_a_living_one_uses_stays(
    command: Command, sample: Sample
) -> None:
    folder = sample.root / ".farm" / "tmp"
    dead = folder / "build-1-aa"
    dead.mkdir(parents=True)
    (folder / "build-1-aa.lock").touch()
    with temporary(folder, prefix="build-") as living:
        assert kinds(command) == {"leftovers of killed processes": ["build-1-aa"]}
        assert living.is_dir()
    assert not dead.exists()


def test_while_somebody_is_at_work_only_leftovers_go(command: Command, sample: Sample) -> None:
    sample.package("web")
    (old,) = sample.build("web")
    sample.package("web", "1.1")
    sample.build("web")
    with closing(sample.open()):
        out = command("gc").out
    assert "Somebody else is at work in this workspace" in out
    assert old.log.exists()


def test_failed_builds_stay_until_they_are_released(command: Command, sample: Sample) -> None:
    sample.package("web")
    failure = sample.fail("web")
    sample.package("web", "1.1")
    sample.fetch()
    out = command("gc").out
    assert "1 environment of a failed build is kept: farm gc --failed releases it." in out
    assert Path(failure.source).is_dir()  # what it was built from, for whoever enters it
    assert kinds(command, "--failed", "web") == {"environments of failed builds": ["web-0001"]}
    assert "source packages" in kinds(command)


def test_a_failed_build_with_an_open_shell_is_not_released(
    command: Command, sample: Sample
) -> None:
    sample.package("lib")
    sample.package("web")
    sample.fail("lib")
    sample.fail("web")
    shell = Lock(sample.root / ".farm" / "environments" / "lib-0001.lock")
    assert shell.try_acquire(shared=True)
    answer = command("gc", "--failed")
    shell.release()
    assert answer.status == 2
    assert "environments of failed builds: 1," in answer.out
    assert "A shell is open in the failed build of lib@bookworm-amd64." in answer.err
    assert "lib@bookworm-amd64  2024-05-01" in command("status").out


def test_mistakes(command: Command, sample: Sample) -> None:
    sample.package("web")
    sample.fail("web")
    answer = command("gc", "--failed", "wev")
    assert answer.status == 2
    assert "Kept are those of: web@bookworm-amd64." in answer.err
    assert command("gc", "--keep-days", "-1").status == 2


def test_old_runs_go(command: Command, sample: Sample) -> None:
    runs = sample.root / ".farm" / "runs"
    (runs / "20240501T120000-abcdef").mkdir(parents=True)
    assert kinds(command) == {}
    assert kinds(command, "--keep-days", "0") == {"old runs": ["20240501T120000-abcdef"]}
