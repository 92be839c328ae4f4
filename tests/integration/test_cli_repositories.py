"""The commands of ``farm`` that are about repositories, on real ones."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from farm.base.run import run
from farm.cli.main import main
from farm.model.artifact import Build
from tests.integration.repo_samples import MINUTE
from tests.unit.cli.conftest import Answer, Command
from tests.unit.cli.sample import Sample


def build_deb(path: Path, name: str, version: str) -> dict[str, str]:
    """Make a real ``.deb`` with two files, one of which no other version has."""
    fields = {
        "Package": name, "Version": version, "Architecture": "amd64", "Section": "misc",
        "Priority": "optional", "Maintainer": "A Maintainer <maintainer@example.org>",
        "Depends": f"libc6, {name}-data (= {version})", "Installed-Size": str(len(version)),
        "Description": "a test",
    }  # fmt: skip
    root = path.with_name("root")
    (root / "DEBIAN").mkdir(parents=True)
    control = "".join(f"{field}: {value}\n" for field, value in fields.items())
    (root / "DEBIAN" / "control").write_text(control)
    (root / "usr" / "share" / name).mkdir(parents=True)
    (root / "usr" / "share" / name / "text").write_text(version)
    (root / "usr" / "share" / name / f"only-{version}").touch()
    argv: list[str | Path] = ["dpkg-deb", "--root-owner-group", "--build", root, path]
    run(argv, timeout=MINUTE, env={"SOURCE_DATE_EPOCH": "0"})
    run(["rm", "-r", root], timeout=MINUTE)
    return fields


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sample:
    """A workspace that the user is in, whose builds are real packages."""
    monkeypatch.chdir(tmp_path)
    return Sample(tmp_path, make_deb=build_deb)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run ``farm`` with some words."""

    def answer(*words: str) -> Answer:
        capsys.readouterr()
        status = main(list(words))
        printed = capsys.readouterr()
        return Answer(status, printed.out, printed.err)

    return answer


def publish(sample: Sample, versions: Mapping[str, str]) -> list[Build]:
    """Build packages in some versions, and publish them to rc."""
    for name, version in versions.items():
        sample.package(name, version)
    builds = sample.build(*versions)
    with closing(sample.open()) as workshop:
        workshop.publish("rc", workshop.candidate("rc", builds))
    return builds


def current(sample: Sample, repository: str) -> str:
    with closing(sample.open()) as workshop:
        snapshot = workshop.snapshots.current(repository)
    return snapshot.id if snapshot else ""


def test_production_takes_over_what_rc_holds(command: Command, sample: Sample) -> None:
    publish(sample, {"web": "1.0"})
    answer = command("promote", "rc", "production", "--json")
    assert answer.status == 0
    assert answer.json["snapshot"] == current(sample, "production")
    assert Path(answer.json["receipt"]).is_file()
    again = command("promote", "rc", "production")
    assert again.status == 0
    assert "production already holds this snapshot" in again.out


def test_what_has_not_passed_is_not_promoted(command: Command, sample: Sample) -> None:
    publish(sample, {"web": "1.0"})
    toml = sample.root / "farm.toml"
    toml.write_text(toml.read_text().replace('"rc"\ngates = ["build"]', '"rc"\ngates = ["howto"]'))
    answer = command("promote", "rc", "production")
    assert answer.status == 1
    assert "production may not be replaced, because the howto gate has not opened" in answer.err
    assert "web has no HOWTO" in answer.err
    assert current(sample, "production") == ""


def test_promotion_goes_only_where_farm_toml_lets_it(command: Command, sample: Sample) -> None:
    publish(sample, {"web": "1.0"})
    answer = command("promote", "production", "rc")
    assert answer.status == 2
    assert "rc is not promoted from production" in answer.err
    answer = command("promote", "rc", "prodction")
    assert answer.status == 2
    assert "did you mean production?" in answer.err


def test_rollback_and_the_log_of_all_that(command: Command, sample: Sample) -> None:
    publish(sample, {"web": "1.0"})
    first = current(sample, "rc")
    publish(sample, {"web": "1.1"})
    second = current(sample, "rc")
    answer = command("rollback", "rc")
    assert answer.status == 0
    assert answer.out.startswith(f"rc went back from {second} to {first}.\n")
    assert current(sample, "rc") == first
    log = command("log", "rc", "--json").json
    assert [(each["kind"], each["previous"], each["snapshot"]) for each in log] == [
        ("rollback", second, first), ("publish", first, second), ("publish", "", first),
    ]  # fmt: skip
    answer = command("rollback", "rc")
    assert answer.status == 2
    assert "has no earlier state to return to" in answer.err


def test_what_differs(command: Command, sample: Sample) -> None:
    publish(sample, {"web": "1.0", "same": "1.0", "old": "1.0"})
    command("promote", "rc", "production")
    del sample.entries["old"]
    publish(sample, {"web": "1.1", "same": "1.0", "new": "1.0"})
    answer = command("diff", "rc", "production", "--json")
    assert answer.status == 0
    found = {(each["name"], each["architecture"]): each for each in answer.json["changes"]}
    assert set(found) == {(name, kind) for name in ("new", "old", "web")
                          for kind in ("amd64", "source")}  # fmt: skip
    assert answer.json["same"] == 2
    assert found["new", "amd64"]["second"] is None
    assert found["old", "amd64"]["first"] is None
    web = found["web", "amd64"]
    assert (web["first"]["version"], web["second"]["version"]) == ("1.1", "1.0")
    assert web["relations"] == [
        {"name": "Depends", "only_first": ["web-data (= 1.1)"],
         "only_second": ["web-data (= 1.0)"]}
    ]  # fmt: skip
    assert web["files"] == {
        "changed": ["usr/share/web/text"],
        "only_first": ["usr/share/web/only-1.1"],
        "only_second": ["usr/share/web/only-1.0"],
    }


def test_what_differs_for_people(command: Command, sample: Sample) -> None:
    publish(sample, {"web": "1.0"})
    command("promote", "rc", "production")
    assert "They hold the same 2 packages." in command("diff", "rc", "production").out
    publish(sample, {"web": "1.1"})
    out = command("diff", "rc", "production", "--files").out
    assert "  bookworm  web      amd64   1.1  1.0         " in out
    assert "    only in rc          web-data (= 1.1)\n" in out
    assert "    changed             usr/share/web/text\n" in out
    by_id = command("diff", current(sample, "rc"), "production")
    assert by_id.status == 0


def test_what_cannot_be_compared(command: Command, sample: Sample) -> None:
    publish(sample, {"web": "1.0"})
    answer = command("diff", "rc", "production")
    assert answer.status == 2
    assert "production was never published" in answer.err
    answer = command("diff", "rc", "prodction")
    assert answer.status == 2
    assert "There is no repository or snapshot 'prodction'; did you mean production?" in answer.err


def test_verification_gate_by_gate(command: Command, sample: Sample) -> None:
    publish(sample, {"web": "1.0"})
    place = str(sample.root / ".farm" / "repositories" / "rc")
    answer = command("verify", place, "--require", "build")
    assert answer.status == 0
    assert "gate build: open, 1 of 1 passed" in answer.out
    assert command("verify", "rc").status == 0  # by its name in the workspace
    answer = command("verify", place, "--require", "howto", "--json")
    assert answer.status == 1
    assert not answer.json["passed"]
    assert answer.json["findings"][0]["brief"].startswith("The howto gate is missing")
    deb = next(Path(place).resolve().rglob("*.deb"))
    deb.chmod(0o644)
    deb.write_bytes(deb.read_bytes()[:-1] + b"!")
    answer = command("verify", place)
    assert answer.status == 1
    assert deb.name in answer.out
    assert command("verify", str(sample.root / "nowhere")).status != 0


def test_status_of_repositories(command: Command, sample: Sample) -> None:
    publish(sample, {"web": "1.0"})
    command("promote", "rc", "production")
    publish(sample, {"web": "1.1"})
    rc, production = command("status", "--json").json["repositories"]
    assert rc["snapshot"] == current(sample, "rc")
    assert rc["gates"] == [
        {"name": "build", "open": True, "passed": 1, "required": 1,
         "why": "All 1 required items have passed."}
    ]  # fmt: skip
    assert production["next"]["snapshot"] == rc["snapshot"]
    assert "open for it: farm promote rc production" in command("status").out


def test_what_repositories_can_go_back_to_survives_cleaning(
    command: Command, sample: Sample
) -> None:
    old, *_ = publish(sample, {"web": "1.0"})
    former, *_ = publish(sample, {"web": "1.1"})
    last, *_ = publish(sample, {"web": "1.2"})
    answer = command("gc", "--json", "--keep-days", "0")
    gone = {Path(each["path"]).name for each in answer.json["gone"]}
    assert {old.key, old.source.digest} <= gone  # keep = 1: web 1.1 is the only former state
    assert not gone & {former.key, former.source.digest, last.key, last.source.digest}
    assert command("rollback", "rc").status == 0
    place = str(sample.root / ".farm" / "repositories" / "rc")
    assert command("verify", place).status == 0
    assert command("promote", "rc", "production").status == 0


def test_what_production_holds_survives_though_rc_went_on(
    command: Command, sample: Sample
) -> None:
    held, *_ = publish(sample, {"web": "1.0"})
    command("promote", "rc", "production")
    for version in ("1.1", "1.2", "1.3"):
        publish(sample, {"web": version})
    assert command("gc", "--keep-days", "0").status == 0
    assert held.log.exists()
    assert command("status", "--json").json["repositories"][1]["gates"][0]["open"]


def test_candidates_that_were_not_published_stay(command: Command, sample: Sample) -> None:
    publish(sample, {"web": "1.0"})
    sample.package("web", "1.1")
    builds = sample.build("web")
    with closing(sample.open()) as workshop:
        candidate = workshop.candidate("rc", builds)
    sample.package("web", "1.2")
    sample.build("web")
    assert command("gc", "--keep-days", "0").status == 0
    assert builds[0].log.exists()
    assert candidate.snapshot.path.is_dir()
