from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.errors import InputError
from farm.config.choices import Dependencies, Lintian, RebuildOn, SourceKind
from farm.config.workspace import Workspace, load
from farm.model.gates import Gate

Accept = Callable[[str], Workspace]

REPOSITORIES = """
[repository.rc]
[repository.production]
from = "rc"
gates = ["build", "repository", "howto"]
keep = 5
key = "0123 4567 89ab cdef 0123  4567 89AB CDEF 0123 4567"
"""
PACKAGES = """
[target.trixie-amd64]
suites = ["trixie"]
[package.sipsak]
debian = "sipsak"
timeout = "2 hours"
targets = ["trixie-amd64"]
[package.web]
folder = "packages/web"
"""


def test_defaults(accept: Accept, root: Path) -> None:
    workspace = accept("")
    assert workspace.root == root
    assert workspace.state_dir == root / ".farm"
    assert (workspace.name, workspace.mirror) == ("example", "host")
    assert workspace.refresh == timedelta(days=1)
    assert workspace.policy.dependencies is Dependencies.EXACT
    assert workspace.policy.lintian is Lintian.ERROR
    assert workspace.policy.rebuild_on is RebuildOn.FARM
    assert workspace.policy.build_disk == 10 * 1024**3


def test_suites_are_those_that_are_given(accept: Accept) -> None:
    bookworm, trixie = accept('[target.trixie-amd64]\nsuites=["x"]').targets
    assert bookworm.suites == ()
    assert trixie.suites == ("x",)


def test_state_may_lie_elsewhere(accept: Callable[..., Workspace], root: Path) -> None:
    base = '[workspace]\nname = "x"\nstate = "../elsewhere"\n[target.bookworm-amd64]\n'
    assert accept("", base=base).state_dir == root.parent / "elsewhere"


def test_a_repository_and_its_chain(accept: Accept) -> None:
    production = accept(REPOSITORIES).repository("production")
    assert production.promoted_from == "rc"
    assert production.gates == (Gate.BUILD, Gate.REPOSITORY, Gate.HOWTO)
    assert production.key == "0123456789ABCDEF0123456789ABCDEF01234567"


def test_private_repositories_need_no_table(accept: Accept) -> None:
    workspace = accept(REPOSITORIES)
    assert workspace.repository("private/alice").name == "private/alice"
    assert workspace.repository("private/alice").gates == (Gate.BUILD,)
    assert "private" not in workspace.repositories


def test_private_repositories_share_a_table(accept: Accept) -> None:
    workspace = accept('[repository.private]\ngates = ["howto"]\nkeep = 0')
    assert workspace.repository("private/bob").gates == (Gate.HOWTO,)
    assert workspace.repository("private/bob").keep == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("prodction", "There is no repository 'prodction'; did you mean production?"),
        ("zzz", "There is no repository 'zzz'."),
        ("private", "is what private repositories have in common"),
        ("private/../rc", "is not a repository name"),
        ("private/", "is not a repository name"),
    ],
)
def test_a_repository_that_is_not_there(accept: Accept, name: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        accept(REPOSITORIES).repository(name)


def test_packages_know_their_source_and_targets(accept: Accept, root: Path) -> None:
    workspace = accept(PACKAGES)
    web, sipsak = workspace.package("web"), workspace.package("sipsak")
    assert (web.kind, web.folder) == (SourceKind.FOLDER, root / "packages/web")
    assert (sipsak.kind, sipsak.timeout) == (SourceKind.DEBIAN, timedelta(hours=2))
    assert sipsak.targets_in(workspace) == (workspace.target("trixie-amd64"),)
    assert web.targets_in(workspace) == workspace.targets


def test_names_that_are_not_there(accept: Accept) -> None:
    workspace = accept(PACKAGES)
    with pytest.raises(InputError, match="no package 'sipsac'; did you mean sipsak") as caught:
        workspace.package("sipsac")
    assert caught.value.hint == "Known are: sipsak, web."
    with pytest.raises(InputError, match="no target 'bookwrm-amd64'; did you mean bookworm-amd64"):
        workspace.target("bookwrm-amd64")


def test_a_dsc_becomes_an_absolute_path_or_stays_an_address(accept: Accept, root: Path) -> None:
    (root / "x_1.dsc").touch()
    checksum = "AB" * 32
    workspace = accept(f"""
        [package.here]
        dsc = "x_1.dsc"
        sha256 = "{checksum}"
        [package.there]
        dsc = "https://example.org/x_2.dsc"
        sha256 = "{checksum}"
    """)
    assert workspace.package("here").dsc == str(root / "x_1.dsc")
    assert workspace.package("there").dsc == "https://example.org/x_2.dsc"
    assert workspace.package("here").sha256 == checksum.lower()


def test_the_workspace_of_this_repository_is_right() -> None:
    workspace = load(Path(__file__).parents[3] / "farm.toml")
    assert workspace.package("ipbx").folder == workspace.root / "packages/ipbx"
    assert workspace.repository("production").promoted_from == "rc"
