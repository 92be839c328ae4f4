"""The commands of ``farm`` that are about chroots, whose files belong to subordinate users."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.base.files import read_json, write_json
from farm.build.chroots import Base
from farm.cli.main import main
from farm.model.layout import Layout
from farm.place.namespace import janitor, remove_tree
from tests.integration.prepared_state import link_prepared
from tests.unit.cli.conftest import Answer, Command
from tests.unit.cli.sample import TARGET, Sample


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sample]:
    """A workspace that the user is in."""
    monkeypatch.chdir(tmp_path)
    yield Sample(tmp_path)
    remove_tree(tmp_path / ".farm")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run ``farm`` with some words."""

    def answer(*words: str) -> Answer:
        capsys.readouterr()
        status = main(list(words))
        printed = capsys.readouterr()
        return Answer(status, printed.out, printed.err)

    return answer


def foreign_tree(path: Path) -> Path:
    """Make a folder whose content belongs to a subordinate user, and to nobody else."""
    (path / "upper" / "etc").mkdir(parents=True)
    (path / "upper" / "etc" / "secret").write_bytes(b"x" * 8192)
    janitor(["chmod", "-R", "go-rwx", "upper"], cwd=path)
    janitor(["chown", "-R", "0:0", "upper"], cwd=path)
    return path


def test_trees_of_subordinate_users_are_measured_and_removed(
    command: Command, sample: Sample
) -> None:
    layout = Layout(sample.root / ".farm").prepare()
    layer = foreign_tree(layout.trees / "layer-aaaa")
    record = layer.with_name("layer-aaaa.json")
    write_json(record, {"base": "gone", "layers": [layer.name], "packages": []})
    left = foreign_tree(layout.environments / "build-bbbb")
    answer = command("gc", "--json")
    assert answer.status == 0
    gone = {each["path"]: each["bytes"] for each in answer.json["gone"]}
    assert set(gone) == {str(layer), str(left)}
    assert all(size >= 8192 for size in gone.values())
    assert not layer.exists()
    assert not record.exists()
    assert not left.exists()


def test_a_kept_environment_is_released_only_when_asked_for(
    command: Command, sample: Sample
) -> None:
    layout = Layout(sample.root / ".farm").prepare()
    sample.package("web")
    kept = foreign_tree(layout.environments / sample.fail("web").environment)
    assert command("gc", "--keep-days", "0").status == 0
    assert kept.is_dir()
    answer = command("gc", "--failed", "web", "--dry-run")
    assert str(kept) in answer.out
    assert kept.is_dir()
    assert command("gc", "--failed", "web").status == 0
    assert not kept.exists()
    assert "kept environments" not in command("status").out


def test_a_chroot_is_made_anew_only_when_the_archive_has_something_newer(
    command: Command, sample: Sample, farm_state: Path, base_chroot: Base
) -> None:
    toml = sample.root / "farm.toml"
    text = toml.read_text().replace('"http://archive.example.org/debian"', '"host"')
    toml.write_text(f'{text}[package.calc]\ndebian = "sipcalc"\n')
    link_prepared(farm_state, sample.root / ".farm")
    answer = command("refresh", "--json")
    assert answer.status == 0
    (renewal,) = answer.json
    assert renewal["target"] == str(TARGET)
    pointer = read_json(Layout(sample.root / ".farm").chroots / f"{TARGET}.json")
    assert renewal["made"] == (pointer["key"] != base_chroot.key)
    again = command("refresh", str(TARGET))
    assert again.out == (
        f"{TARGET}\n  The archive has no news.\n"
        "  Its chroot stays: the archive has nothing newer for it.\n"
    )
