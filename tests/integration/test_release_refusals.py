"""Bad input: what a release refuses, in a sentence, with nothing changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.base.run import run
from tests.integration.debian_archive import make_archive, make_key
from tests.integration.release_runs import RUN, Ran
from tests.integration.release_workspace import TARGET, DemoWorkspace

USAGE = 4  # pytest's exit status for a mistake on the command line
Refused = tuple[DemoWorkspace, Ran]


@pytest.fixture(scope="module")
def refused(
    tmp_path_factory: pytest.TempPathFactory, first_release: tuple[DemoWorkspace, Ran]
) -> Iterator[Refused]:
    """One release with a mistake in each package, and how it ended."""
    workspace = first_release[0].copy_to(tmp_path_factory.mktemp("refused") / "demo")
    workspace.edit("packages/demo/debian/make.sh", "demo-choir", "demo-choir | cat")
    workspace.set_version("demo-words", "0.9")
    workspace.set_version("demo-choir", "1.1")
    workspace.edit("packages/demo-choir/debian/control", "(= 1.0)", "(>= 1.0)")
    workspace.set_version("demo-clock", "1.1")
    (workspace.root / "howtos/demo-clock.md").unlink()
    workspace.edit("packages/demo-speaker/debian/control", "Depends: \n", "Depends: demo-wrods\n")
    workspace.set_version("demo-speaker", "1.1")
    yield workspace, workspace.release("release_tests")
    workspace.remove()


def reason(refused: Refused, item: str) -> str:
    """Give why an item failed."""
    ran = refused[1].expect(1)
    assert ran.items[item].outcome == "failed", ran.output
    return ran.items[item].message


def test_a_second_content_of_a_version_is_refused(refused: Refused) -> None:
    said = reason(refused, f"test_contents[{TARGET}]")
    assert "demo 1.0 all" in said
    assert "Give the package a higher version in its changelog" in said


def test_a_version_that_goes_backwards_is_refused(refused: Refused) -> None:
    said = reason(refused, f"test_versions[demo-words@{TARGET}]")
    assert "demo-words all in bookworm would go back from 1.0 to 0.9, which rc holds." in said


def test_a_dependency_that_is_not_exact_is_refused(refused: Refused) -> None:
    said = reason(refused, f"test_dependencies[demo-choir@{TARGET}]")
    assert "demo-choir 1.1 asks for demo-speaker (>= 1.0)" in said
    assert "write 'demo-speaker (= 1.1)' in debian/control" in said


def test_a_package_without_a_howto_is_refused(refused: Refused) -> None:
    said = reason(refused, f"test_howto[demo-clock@{TARGET}]")
    assert "demo-clock has no HOWTO, so nobody knows how to see that it works." in said
    assert "Write howtos/demo-clock.md" in said


def test_a_package_that_nobody_has_is_refused(refused: Refused) -> None:
    said = reason(refused, f"test_installable[demo-speaker@{TARGET}]")
    assert "apt cannot install demo-speaker from the candidate." in said
    assert "demo-wrods" in said


def test_what_is_wrong_is_not_published(refused: Refused) -> None:
    workspace, ran = refused
    said = ran.items["test_publish[rc]"].message
    assert said.startswith("rc may not be replaced, because the repository gate has not opened")
    assert set(workspace.held().values()) == {"1.0"}
    assert "rc was not published by this run." in ran.output
    assert workspace.leftovers() == []


def test_a_fault_that_lintian_finds_is_refused(released_demo: DemoWorkspace) -> None:
    released_demo.edit("farm.toml", '[package.demo-clock]\n',
                       '[package.demo-clock]\nlintian = "error"\n')  # fmt: skip
    ran = released_demo.release("--package", "demo-clock", "release_tests").expect(1)
    said = ran.items[f"test_lint[demo-clock@{TARGET}]"].message
    assert "lintian finds fault with demo-clock 1.0: " in said
    assert "E: demo-clock: no-copyright-file" in said


def test_a_circle_is_told_with_all_its_members(released_demo: DemoWorkspace) -> None:
    released_demo.edit("packages/demo-words/debian/control", "compat (= 13)",
                       "compat (= 13), demo-choir")  # fmt: skip
    released_demo.edit("packages/demo-choir/debian/control", "compat (= 13)",
                       "compat (= 13), demo-speaker")  # fmt: skip
    ran = released_demo.release().expect(USAGE)
    (line,) = [line for line in ran.output.splitlines() if "circle" in line]
    for name in ("demo-words", "demo-choir", "demo-speaker"):
        assert f"{name}@{TARGET}" in line
    assert f"demo-clock@{TARGET}" not in line


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--release", "rcc"], "did you mean rc?"),
        (["--release", "private"], "Name one: private/NAME"),
        (["--release", "rc", "--package", "demo-clokc"], "did you mean demo-clock?"),
        (["--release", "rc", "--target", "bookwrom-amd64"], "did you mean bookworm-amd64?"),
        (["--release", "rc", "--promote", "prodution"], "did you mean production?"),
        (["--release", "rc", "--promote", "rc"], "--promote and --release name the same"),
        (["--release", "rc", "--promote", "dev"], "dev is not promoted from rc"),
        (["--promote", "production"], "--promote production needs --release"),
        (["--release", "rc", "howtos/demo-clokc.md"], "not found: howtos/demo-clokc.md"),
    ],
)
def test_a_mistake_in_the_options_is_told_at_once(
    tmp_path: Path, options: list[str], told: str
) -> None:
    workspace = DemoWorkspace(tmp_path).write()
    ran = workspace.pytest(*options).expect(USAGE)
    assert told in ran.output
    assert not workspace.layout.runs.exists()


def test_all_mistakes_in_farm_toml_are_told_together(tmp_path: Path) -> None:
    workspace = DemoWorkspace(tmp_path).write()
    workspace.edit("farm.toml", "lintian", "lintain")
    workspace.edit("farm.toml", 'folder = "packages/demo-clock"', 'folder = "packages/demo-clok"')
    workspace.edit("farm.toml", '["build", "repository"]', '["build", "repo"]')
    ran = workspace.release().expect(USAGE)
    assert "farm.toml has 3 mistakes." in ran.output
    for key in ("policy.lintain", "package.demo-clock.folder", "repository.rc.gates"):
        assert f"farm.toml: {key}" in ran.output


def test_an_archive_that_somebody_else_signed_is_refused(
    released_demo: DemoWorkspace, tmp_path: Path
) -> None:
    before = released_demo.current()
    released_demo.set_version("demo-clock", "1.1")
    with make_key() as key:
        archive = make_archive(tmp_path / "mirror", key=key)
    released_demo.edit("farm.toml", 'name = "demo"', f'name = "demo"\nmirror = "{archive.uri}"')
    ran = released_demo.release()
    assert ran.status in (1, 3, USAGE), ran.output
    assert "Traceback" not in ran.output
    assert "is not trusted: " in ran.output
    assert released_demo.current() == before
    released_demo.edit("farm.toml", f'mirror = "{archive.uri}"', "")
    released_demo.release().expect()


def test_a_key_that_is_missing_is_told_before_anything_is_built(
    released_demo: DemoWorkspace,
) -> None:
    released_demo.set_version("demo-clock", "1.1")
    released_demo.edit("farm.toml", "[repository.rc]", f'[repository.rc]\nkey = "{"A" * 40}"')
    builds = released_demo.builds()
    ran = released_demo.release().expect(USAGE)
    assert f"The key {'A' * 40} of repository 'rc'" in ran.output
    assert released_demo.builds() == builds


def test_a_key_that_has_expired_is_told(released_demo: DemoWorkspace) -> None:
    with make_key() as key:
        key.gpg("--faked-system-time", "20200101T000000",
                "--quick-generate-key", "old@example.org", "ed25519", "sign", "1d")  # fmt: skip
        env = {"GNUPGHOME": str(key.home)}
        listed = run(["gpg", "--with-colons", "--list-keys", "old@example.org"], timeout=RUN,
                     env=env)  # fmt: skip
        fingerprint = re.findall(r"^fpr:+(\w+):", listed.stdout, re.MULTILINE)[0]
        released_demo.edit("farm.toml", "[repository.production]",
                           f'[repository.production]\nkey = "{fingerprint}"')  # fmt: skip
        ran = released_demo.release("--promote", "production", env=env).expect(USAGE)
    assert f"The key {fingerprint} of repository 'production'" in ran.output
    assert "expired on 2020-01-02" in ran.output
    assert released_demo.current("production") == ""
