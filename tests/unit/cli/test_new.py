"""``farm new``: workspaces and packages, all of it or nothing."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from farm.base.errors import InputError
from farm.cli import new
from farm.config.workspace import load
from farm.model.howto import parse_howto
from farm.release.maintainer import NOBODY
from farm.source.changelog import read_changelog

ROOT = Path(__file__).parents[3]

Farm = Callable[..., str]


@pytest.fixture
def farm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Farm:
    """Run a command of ``farm`` in ``tmp_path`` and give what it prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEBFULLNAME", "Ada")
    monkeypatch.setenv("DEBEMAIL", "ada@example.org")
    monkeypatch.setattr(new, "read_git_user", lambda _: {})
    monkeypatch.setattr(new, "find_missing", list)
    parser = argparse.ArgumentParser(prog="farm")
    new.add_parser(parser.add_subparsers(dest="command"))

    def run(*words: str) -> str:
        assert new.run(parser.parse_args(["new", *words])) == 0
        return capsys.readouterr().out

    return run


@pytest.fixture
def workspace(farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new workspace, in which commands run now."""
    farm("workspace", "acme")
    monkeypatch.chdir(tmp_path / "acme")
    return tmp_path / "acme"


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the farm's own, with its content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".farm" not in path.relative_to(folder).parts
    }


# Workspaces.


def test_a_workspace_has_all_that_a_release_needs(workspace: Path) -> None:
    made = load(workspace / "farm.toml")

    assert (made.name, list(made.packages)) == ("acme", ["hello-world"])
    assert made.repository("production").promoted_from == "rc"
    assert (workspace / "howtos" / "hello-world.md").is_file()
    assert (workspace / "howtos" / "hello-world" / "test_hello_world.py").is_file()
    assert (workspace / "packages" / "hello-world" / "debian" / "rules").stat().st_mode & 0o100
    assert {"README.md", "pytest.ini", "conftest.py", ".gitignore"} <= set(files(workspace))


def test_its_release_tests_are_those_of_this_repository(workspace: Path) -> None:
    assert {name: text for name, text in files(workspace / "release_tests").items()} == {
        path.name: path.read_bytes() for path in (ROOT / "release_tests").glob("*.py")
    }
    assert (workspace / "conftest.py").read_bytes() == (ROOT / "conftest.py").read_bytes()


def test_no_place_holder_is_left(workspace: Path) -> None:
    assert [name for name, text in files(workspace).items() if b"{{" in text] == []
    assert [name for name in files(workspace) if "NAME" in name or "template" in name] == []


def test_it_says_what_to_do_next(farm: Farm) -> None:
    said = farm("workspace", "dir with spaces", "--name", "acme")

    assert said.splitlines()[0].startswith("Made the workspace acme in ")
    assert "  cd 'dir with spaces'\n  pytest --release rc\n" in said


def test_it_says_what_the_machine_lacks(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new, "find_missing", lambda: ["mmdebstrap", "reprepro"])

    assert "that are not installed: mmdebstrap, reprepro.\n" in farm("workspace", "acme")


def test_its_first_package_has_a_maintainer_though_nobody_is_known(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEBEMAIL")
    farm("workspace", "x", "--name", "ACME.Ltd-2")

    assert "Maintainer: ACME.Ltd-2 packagers <packagers@acme-ltd-2.example>\n" in (
        Path("x/packages/hello-world/debian/control").read_text()
    )


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("a b", "The workspace cannot be called so: 'a b' is not a name"),
        ("-x", "cannot be called so"),
        ("", "cannot be called so"),
        ('x"\nmirror = "y', "cannot be called so"),
        ("x" * 65, "cannot be called so"),
    ],
)
def test_a_wrong_name_is_refused(farm: Farm, name: str, sentence: str) -> None:
    with pytest.raises(InputError, match=re.escape(sentence)) as caught:
        farm("workspace", "below/it", f"--name={name}")

    assert "--name" in caught.value.hint
    assert list(Path().iterdir()) == []


def test_a_folder_that_holds_something_is_refused(farm: Farm, workspace: Path) -> None:
    before = files(workspace)

    with pytest.raises(InputError, match="is not empty: it holds"):
        farm("workspace", ".")

    assert files(workspace) == before


# Packages.


def test_a_package_has_source_howto_and_entry(farm: Farm, workspace: Path) -> None:
    before = files(workspace)

    said = farm("package", "greeter")

    after = files(workspace)
    assert after["farm.toml"] == before["farm.toml"] + (
        b'\n[package.greeter]\nfolder = "packages/greeter"\n'
    )
    assert {name: after[name] for name in before if name != "farm.toml"} == {
        name: text for name, text in before.items() if name != "farm.toml"
    }
    newest = read_changelog(workspace / "packages" / "greeter" / "debian" / "changelog")
    assert (newest.name, newest.version) == ("greeter", "1.0")
    steps = parse_howto(after["howtos/greeter.md"].decode(), path="greeter.md").steps
    assert steps[0].command == "greeter --version"
    assert "pytest --release dev --package greeter" in said


def test_its_changelog_is_of_now_in_utc(farm: Farm, workspace: Path) -> None:
    farm("package", "greeter")

    last = (workspace / "packages/greeter/debian/changelog").read_text().splitlines()[-1]
    who, _, when = last.partition(">  ")
    assert who == " -- Ada <ada@example.org"
    assert when.endswith(" +0000")
    assert parsedate_to_datetime(when).year >= 2025


def test_folder_and_version_can_be_chosen(farm: Farm, workspace: Path) -> None:
    farm("package", "libx2.0+y", "--folder", "./own/x/", "--version", "1:2.0~rc1")

    made = load(workspace / "farm.toml").package("libx2.0+y")
    assert made.folder == workspace / "own" / "x"
    assert read_changelog(workspace / "own/x/debian/changelog").version == "1:2.0~rc1"


def test_a_package_of_the_archive_is_an_entry_and_the_beginning_of_a_howto(
    farm: Farm, workspace: Path
) -> None:
    before = files(workspace)

    said = farm("package", "calc", "--debian", "sipcalc")

    after = files(workspace)
    assert set(after) - set(before) == {"howtos/calc.md"}
    assert load(workspace / "farm.toml").package("calc").debian == "sipcalc"
    howto = parse_howto(after["howtos/calc.md"].decode(), path="calc.md")
    assert [step.command for step in howto.steps] == ["calc --version"]
    assert "a beginning, to be finished" in said


def test_a_package_of_nobody_says_so(
    farm: Farm, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEBEMAIL")

    said = farm("package", "greeter")

    assert str(NOBODY) in said
    assert f"Maintainer: {NOBODY}\n" in (workspace / "packages/greeter/debian/control").read_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["Greeter"], "'Greeter' is not a package name"),
        (["../x"], "'../x' is not a package name"),
        (["hello-world"], "farm.toml has a package hello-world already."),
        (["greeter", "--version", "one"], "'one' is not a version"),
        (["greeter", "--version", "1.0-1"], "1.0-1 has a revision"),
        (["greeter", "--folder", "../out"], "must be a path below"),
        (["greeter", "--folder", "/out"], "must be a path below"),
        (["greeter", "--folder", "."], "must be a path below"),
        (["greeter", "--folder", "packages/hello-world"], "packages/hello-world exists already"),
        (["greeter", "--folder", "packages/hello-world/x"], "in the source tree of hello-world"),
        (["greeter", "--folder", ".farm/x"], "lies in the farm's own state"),
        (["greeter", "--folder", "README.md/x"], "README.md/x cannot be made: Not a directory"),
        (["greeter", "--debian", "No Such"], "'No Such' is not a package name"),
        (["greeter", "--debian", "x1", "--version", "2"], "--version says nothing about"),
        (["greeter", "--debian", "x1", "--folder", "x"], "--folder says nothing about"),
    ],
)
def test_what_is_refused_changes_nothing(
    farm: Farm, workspace: Path, words: list[str], sentence: str
) -> None:
    before = files(workspace)

    with pytest.raises(InputError, match=re.escape(sentence)):
        farm("package", *words)

    assert files(workspace) == before


def test_a_howto_that_is_there_is_not_written_over(farm: Farm, workspace: Path) -> None:
    (workspace / "howtos" / "greeter.md").write_text("mine")

    with pytest.raises(InputError, match=r"^howtos/greeter\.md exists already"):
        farm("package", "greeter")

    assert (workspace / "howtos" / "greeter.md").read_text() == "mine"
    assert not (workspace / "packages" / "greeter").exists()


def test_a_link_out_of_the_workspace_is_not_followed(
    farm: Farm, workspace: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (workspace / "link").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(InputError, match="leads over a link"):
        farm("package", "greeter", "--folder", "link/greeter")

    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_one_source_of_the_archive_is_one_package(farm: Farm, workspace: Path) -> None:
    farm("package", "calc", "--debian", "sipcalc")
    before = files(workspace)

    with pytest.raises(InputError, match="calc has the source sipcalc of the archive already"):
        farm("package", "sipcalc", "--debian", "sipcalc")

    assert files(workspace) == before


def test_what_farm_toml_says_otherwise_stays_byte_for_byte(farm: Farm, workspace: Path) -> None:
    toml = workspace / "farm.toml"
    text = b"\xef\xbb\xbf" + toml.read_bytes().rstrip().replace(b"\n", b"\r\n") + b"  # no newline"
    toml.write_bytes(text)
    toml.chmod(0o640)

    farm("package", "greeter")

    assert toml.read_bytes() == (
        text + b'\r\n\r\n[package.greeter]\r\nfolder = "packages/greeter"\r\n'
    )
    assert toml.stat().st_mode & 0o777 == 0o640


def test_a_farm_toml_that_is_a_link_stays_one(farm: Farm, workspace: Path, tmp_path: Path) -> None:
    toml = workspace / "farm.toml"
    toml.rename(tmp_path / "real.toml")
    toml.symlink_to("../real.toml")

    farm("package", "greeter")

    assert toml.is_symlink()
    assert b"[package.greeter]" in (tmp_path / "real.toml").read_bytes()


def test_where_an_entry_cannot_be_appended_nothing_is_made(farm: Farm, workspace: Path) -> None:
    """TOML does not let a table be added to one that is written in one line."""
    toml = workspace / "farm.toml"
    text = toml.read_text().partition("[package.")[0]
    toml.write_text('package = {hello = {folder = "packages/hello-world"}}\n' + text)
    before = files(workspace)

    with pytest.raises(InputError, match="cannot be added at the end") as caught:
        farm("package", "greeter")

    assert files(workspace) == before
    assert "farm.toml: line" in caught.value.details
    assert '[package.greeter]\nfolder = "packages/greeter"' in caught.value.hint


def test_a_farm_toml_with_mistakes_is_told_first(farm: Farm, workspace: Path) -> None:
    with (workspace / "farm.toml").open("a") as stream:
        stream.write("[polcy]\n")

    with pytest.raises(InputError, match="polcy: unknown key"):
        farm("package", "greeter")
    assert not (workspace / "packages" / "greeter").exists()


def test_a_disk_that_cannot_be_written_leaves_nothing(
    farm: Farm, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(workspace)

    def fail(path: Path, *_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("farm.release.new_package.write_atomically", fail)

    with pytest.raises(InputError, match=r"greeter cannot be made: .*\.md: No space left"):
        farm("package", "greeter")

    assert files(workspace) == before
    assert not (workspace / "packages" / "greeter").exists()


def test_outside_of_a_workspace_it_is_told_how_to_make_one(farm: Farm) -> None:
    with pytest.raises(InputError, match="There is no farm") as caught:
        farm("package", "greeter")
    assert caught.value.hint == "Make a workspace with: farm new workspace DIR"
