from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from farm.base.errors import ConfigError
from farm.config.workspace import find, load

Refuse = Callable[..., list[str]]


def test_all_mistakes_are_told_together_in_the_order_of_the_file(refuse: Refuse) -> None:
    assert refuse("""
        [policy]
        lintain = "error"
        build_timeout = "1 dya"
        [repository.rc]
        gates = ["build", "howtos"]
        [package.web]
        folder = "packages/webb"
        timeout = 5
    """) == [
        "policy.lintain: unknown key; did you mean policy.lintian?",
        "policy.build_timeout: '1 dya' is not a duration: it is written like '90 s', "
        "'30 minutes', '1 h 30 min' or '1 day'.",
        "repository.rc.gates[2]: 'howtos' is none of build, repository, lifecycle, howto, "
        "install, upgrade; did you mean howto?",
        "package.web.folder: there is no folder 'packages/webb'.",
        "package.web.timeout: must be text in quotes, not a whole number.",
    ]


def test_one_mistake_is_the_brief_itself(accept: Callable[[str], object]) -> None:
    with pytest.raises(ConfigError) as caught:
        accept('[polcy]\nlintian = "off"')
    assert str(caught.value) == "farm.toml: polcy: unknown key; did you mean policy?"


def test_an_empty_file_lacks_what_is_required(refuse: Refuse) -> None:
    assert refuse("", base="") == [
        "workspace.name: is missing.",
        "target: there is none, and one is needed: [target.bookworm-amd64].",
    ]


@pytest.mark.parametrize(
    ("added", "mistake"),
    [
        ("[policy]\ngates = []", "policy.gates: unknown key."),
        ("[policy]\nmirror = 'host'",
         "policy.mirror: unknown key; did you mean workspace.mirror?"),
        ("[policy]\nbuild_log = '0 B'", "policy.build_log: must be more than nothing."),
        ("[policy]\nbuild_timeout = '0 s'", "policy.build_timeout: must be more than nothing."),
        ("[policy]\nlintian = true", "policy.lintian: must be text in quotes, not true or false."),
        ("[policy]\nlintian = 1979-05-27",
         "policy.lintian: must be text in quotes, not a date or time."),
        ("[target.bookworm]",
         "target.bookworm: 'bookworm' is not a target: it is written DISTRIBUTION-ARCHITECTURE."),
        ("[target.sid-amd64]\nsuites = []", "target.sid-amd64.suites: must name at least one."),
        ("[target.sid-amd64]\nsuites = ['a b']",
         "target.sid-amd64.suites[1]: 'a b' is not the name of a suite or component: "
         "such as bookworm-updates or main."),
        ("[target.sid-amd64]\ncomponents = ['main', 'main']",
         "target.sid-amd64.components: names main twice."),
        ("[repository.rc]\nkeep = -1", "repository.rc.keep: must be at least 0."),
        ("[repository.rc]\nkeep = 1.5",
         "repository.rc.keep: must be a whole number, not a fraction."),
        ("[repository.rc]\nkeep = true",
         "repository.rc.keep: must be a whole number, not true or false."),
        ("[repository.rc]\ngates = 'build'", "repository.rc.gates: must be a list, not text."),
        ("[repository]\nrc = 'x'", "repository.rc: must be a table, not text."),
        ("[repository.rc]\nfrom = 'dve'\n[repository.dev]",
         "repository.rc.from: there is no repository 'dve'; did you mean dev?"),
        ("[repository.rc]\nfrom = 'rc'",
         "repository.rc.from: repositories are promoted in a circle: rc <- rc."),
        ("[repository.'dev/x']", 'repository."dev/x": only private/NAME may have a slash.'),
        ("[[package]]\ndebian = 'x'",
         "package: must be tables such as [package.NAME], not a list."),
        ("[package.python3.11]\ndebian = 'x'",
         'package.python3.11: unknown key; a name with a dot stands in quotes: '
         '[package."python3.11"].'),
        ("[package.x]\ndebian = 'xx'",
         "package.x: 'x' is not a package name: lower case letters, digits, '+', '-' and '.', "
         "at least two characters."),
        ("[package.xx]", "package.xx: has no source: write one of debian, dsc or folder."),
        ("[package.xx]\ndebian = 'xx'\nfolder = 'packages/web'",
         "package.xx: has 2 sources, debian and folder: write only one of debian, dsc or folder."),
        ("[package.xx]\ndebian = 'xx'\ntargets = ['bookworm-i386']",
         "package.xx.targets[1]: there is no target 'bookworm-i386'; "
         "did you mean bookworm-amd64?"),
        ("[package.xx]\ndebian = 'xx'\ntargets = []",
         "package.xx.targets: must name at least one."),
        ("[package.xx]\ndebian = 'xx'\nbuild_options = ['a b']",
         "package.xx.build_options[1]: 'a b' is not a build option: one word, such as nocheck."),
        ("[package.xx]\ndebian = 'xx'\nsha256 = '" + "0" * 64 + "'",
         "package.xx.sha256: belongs to a dsc, and there is none."),
        ("[package.xx]\ndsc = 'https://example.org/x.dsc'",
         "package.xx.sha256: is missing; a dsc is trusted by its checksum."),
        ("[package.xx]\ndsc = 'x.dsc'\nsha256 = '" + "0" * 64 + "'",
         "package.xx.dsc: there is no file 'x.dsc'; "
         "an address begins with https:// or http://."),
        ("[package.xx]\ndsc = 'x.tar'\nsha256 = '" + "0" * 64 + "'",
         "package.xx.dsc: 'x.tar' does not end in .dsc, as a Debian source package does."),
        ("[package.aa]\ndebian = 'x'\n[package.bb]\ndebian = 'x'",
         "package.bb.debian: package aa has the same source."),
        ("[package.aa]\nfolder = 'packages/web'\n[package.bb]\nfolder = './packages/web'",
         "package.bb.folder: package aa has the same source."),
        ("[package.aa]\nfolder = 'packages'",
         "package.aa.folder: 'packages' has no debian/control and no debian/changelog."),
        ("[package.aa]\nfolder = '.'", "package.aa.folder: '.' holds the farm's own state"),
        ("[package.aa]\nfolder = '/etc'",
         "package.aa.folder: '/etc' must be a path below the folder of farm.toml, without '..'."),
        ("[package.aa]\nfolder = 'packages/../packages/web'",
         "package.aa.folder: 'packages/../packages/web' must be a path below"),
    ],
)  # fmt: skip
def test_each_mistake_is_a_sentence(refuse: Refuse, added: str, mistake: str) -> None:
    (told,) = refuse(added)
    assert told.startswith(mistake)
    assert mistake.endswith((".", "?")) is (told == mistake)


@pytest.mark.parametrize(
    "mirror",
    [
        "hots",
        "ftp://example.org/",
        "http://",
        "https:///x",
        "file:",
        "http://a b/",
        "http://a/\\n",
    ],
)
def test_a_mirror_is_the_host_or_an_address(refuse: Refuse, mirror: str) -> None:
    (told,) = refuse("", base=f'[workspace]\nname="x"\nmirror="{mirror}"\n[target.sid-amd64]\n')
    assert told.startswith("workspace.mirror: ")
    assert "is no mirror" in told


def test_a_password_does_not_belong_here(refuse: Refuse) -> None:
    (told,) = refuse(
        "", base='[workspace]\nname="x"\nmirror="https://me:secret@x/"\n[target.sid-amd64]\n'
    )
    assert "apt_auth.conf(5)" in told
    assert "secret" not in told


def test_state_must_not_hold_the_workspace(refuse: Refuse) -> None:
    base = '[workspace]\nname="x"\nstate=".."\nrefesh="1 h"\n[target.sid-amd64]\n'
    assert refuse("", base=base) == [
        "workspace.state: '..' holds the workspace itself.",
        "workspace.refesh: unknown key; did you mean workspace.refresh?",
    ]


def test_a_circle_of_repositories_is_told_once_with_all_members(refuse: Refuse) -> None:
    assert refuse("""
        [repository.before]
        from = "dev"
        [repository.dev]
        from = "production"
        [repository.rc]
        from = "dev"
        [repository.production]
        from = "rc"
    """) == [
        "repository.dev.from: repositories are promoted in a circle: "
        "dev <- production <- rc <- dev."
    ]


def test_a_folder_must_not_lead_out_of_the_workspace(refuse: Refuse, root: Path) -> None:
    (root / "packages/out").symlink_to("/usr")
    (told,) = refuse('[package.aa]\nfolder = "packages/out"')
    assert "leads out of the workspace, to /usr" in told


def test_a_mistake_in_a_table_does_not_hide_that_the_table_is_there(refuse: Refuse) -> None:
    assert refuse("""
        [repository.rc]
        keep = "3"
        [repository.production]
        from = "rc"
    """) == ["repository.rc.keep: must be a whole number, not text."]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a = 1\nb == 2", "farm.toml: line 2, column 4: Invalid value."),
        (b"a = [1", "farm.toml: line 1, column 7: Unclosed array at the end of the file."),
        (b"[a]\n[a]", "farm.toml: line 2, column 3: Cannot declare ('a',) twice."),
        (b"a = 1\n\xff = 2", "farm.toml: line 2 is not UTF-8 text: byte 0xff."),
        (b"a = " + b"[" * 5000, "farm.toml: is nested too deeply."),
        (b"a = " + b"1" * 5000, "farm.toml: has a number with too many digits."),
    ],
)
def test_what_is_not_toml(root: Path, content: bytes, message: str) -> None:
    (root / "farm.toml").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(root / "farm.toml")
    assert caught.value.brief == message


def test_a_file_that_cannot_be_read(root: Path) -> None:
    (root / "farm.toml").mkdir()
    with pytest.raises(ConfigError, match=r"farm\.toml: cannot be read: Is a directory"):
        load(root / "farm.toml")


def test_a_file_elsewhere_is_named_in_full(root: Path, tmp_path_factory: pytest.TempPathFactory,
                                           monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    (root / "farm.toml").write_text("a = 1\n")
    with pytest.raises(ConfigError, match=str(root / "farm.toml")):
        load(root / "farm.toml")


def test_farm_toml_is_found_from_any_folder_below(root: Path) -> None:
    (root / "farm.toml").touch()
    assert find(root / "packages/web") == root / "farm.toml"


def test_a_folder_that_is_no_workspace(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"There is no farm\.toml in .* or above") as caught:
        find(root)
    assert "farm new workspace" in caught.value.hint
