"""HOWTOs in prose as pytest items, tried in places that are folders of this host."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

pytest_plugins = ["pytester"]

# What the farm's own plugin does, with folders in the place of chroots.
CONFTEST = """
import contextlib
from datetime import timedelta
from types import SimpleNamespace

import pytest

from farm.base.errors import Blocked
from farm.base.run import Result, run
from farm.plugin.prose import HOWTO_PLACES, HowtoPlace, collect_prose
from farm.plugin.testinfra_host import host_in

TARGETS = ["bookworm-amd64", "trixie-amd64"]


class Folder:
    def __init__(self, root, bin):
        self.root, self.bin = root, bin

    def run(self, argv, *, timeout, user="root", cwd="/", env=None, input=None, ok=(0,), log=None):
        home = self.root / cwd.strip("/")
        home.mkdir(parents=True, exist_ok=True)
        env = dict(env or {})
        env = {**env, "PATH": f"{self.bin}:{env.get('PATH', '/usr/sbin:/usr/bin:/bin')}"}
        if (self.bin / "gone").exists():
            return Result(tuple(argv), 125, "", "unshare: no such chroot\\n", 0.0)
        return run(argv, timeout=timeout, cwd=home, env=env, input=input, ok=ok, log=log)


def pytest_addoption(parser):
    parser.addoption("--release")


def pytest_configure(config):
    base = config.rootpath

    def say(text):
        with (base / "places.log").open("a") as log:
            log.write(f"{text}\\n")

    @contextlib.contextmanager
    def place_for(package, target, install):
        if package == "unbuilt":
            raise Blocked("unbuilt cannot be tried because libre failed.", by="libre@" + target)
        if package == "broken":
            raise ZeroDivisionError("a mistake of the farm")
        root = base / "places" / f"{package}-{target}"
        root.mkdir(parents=True)  # fails where two items would share one
        say(f"{package} {target} install={','.join(install)}")
        try:
            yield HowtoPlace(Folder(root, base / "bin"), "0.9.8.1-1~farm1", "0.9.8.1", "alice")
        except BaseException as error:
            say(f"left with {type(error).__name__}")
            raise
        say("left")

    config.addinivalue_line("markers", "farm_install(*names): more Debian packages")
    if config.getoption("--release"):
        config.stash[HOWTO_PLACES] = place_for


def pytest_collect_file(file_path, parent):
    return collect_prose(file_path, parent, TARGETS)


@pytest.fixture
def host(request, tmp_path):
    folder = Folder(tmp_path, request.config.rootpath / "bin")
    return host_in(folder, timeout=timedelta(seconds=20))


@pytest.fixture
def package():
    versions = {"version": "0.9.8.1-1~farm1", "upstream_version": "0.9.8.1"}
    return SimpleNamespace(name="sipsak", **versions)
"""

SIPSAK = """\
#!/bin/sh
case "$*" in
--version) printf 'sipsak VERSION  by its authors\\n compiled with TLS\\n' ;;
*) echo 'send failure: Connection refused' >&2; exit 3 ;;
esac
"""


class Workspace:
    """A folder with HOWTOs, on which pytest is run."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        pytester.makeconftest(CONFTEST)
        self.command("sipsak", SIPSAK.replace("VERSION", "0.9.8.1"))
        self.command("dpkg", "#!/bin/sh\n")

    def command(self, name: str, text: str) -> None:
        path = self.pytester.path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def howto(self, name: str, text: str) -> Workspace:
        path = self.pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        return self

    def console(self, *lines: str) -> Workspace:
        return self.howto(
            "howtos/sipsak.md", "\n".join(["# sipsak", "", "```console", *lines, "```", ""])
        )

    def pytest(self, *args: str) -> pytest.RunResult:
        return self.pytester.runpytest_inprocess("--release", "rc", *args)

    def one_failure(self) -> str:
        """Run the HOWTO on one target, and give what is reported of its failure."""
        result = self.pytest("howtos/sipsak.md::howto[bookworm-amd64]")
        result.assert_outcomes(failed=1)
        _, _, after = result.stdout.str().partition("= FAILURES =")
        report = re.search(r"\n_+ (.*?) _+\n(.*?)\n=+ short test summary", after, re.DOTALL)
        assert report
        assert report[1] == "HOWTO of sipsak on bookworm-amd64"
        return report[2]

    @property
    def places(self) -> list[str]:
        return (self.pytester.path / "places.log").read_text().splitlines()


@pytest.fixture
def workspace(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # the conftest is the plugin
    return Workspace(pytester)


def test_every_target_is_an_item_with_a_readable_id(workspace: Workspace) -> None:
    result = workspace.console("$ true").pytest("--collect-only", "-q")
    assert result.outlines[:2] == [
        "howtos/sipsak.md::howto[bookworm-amd64]",
        "howtos/sipsak.md::howto[trixie-amd64]",
    ]


def test_items_tell_what_they_are_about(workspace: Workspace) -> None:
    items, _ = workspace.console("$ true").pytester.inline_genitems()
    path = workspace.pytester.path / "howtos/sipsak.md"
    assert [(i.farm_package, i.farm_target, i.farm_source) for i in items] == [  # type: ignore[attr-defined]
        ("sipsak", "bookworm-amd64", path),
        ("sipsak", "trixie-amd64", path),
    ]


def test_blocks_of_a_howto_share_a_place_and_targets_do_not(workspace: Workspace) -> None:
    workspace.howto(
        "howtos/sipsak.md",
        """\
        <!-- farm: install=curl, netcat-openbsd -->
        ```console
        $ ls
        $ echo hello > file
        ```
        Now it is there:
        ```console
        $ test "$(ls)" = file && cat file
        hello
        ```
        """,
    ).pytest().assert_outcomes(passed=2)
    assert workspace.places == [
        "sipsak bookworm-amd64 install=curl,netcat-openbsd",
        "left",
        "sipsak trixie-amd64 install=curl,netcat-openbsd",
        "left",
    ]


def test_a_user_and_root_are_at_home_and_a_user_has_no_sbin(workspace: Workspace) -> None:
    workspace.console(
        '$ echo "$USER $LOGNAME $HOME"; basename "$PWD"',
        "alice alice /home/alice",
        "alice",
        '$ echo "$PATH"',
        ".../bin:/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games",
        '# echo "$USER $HOME"; basename "$PWD"',
        "root /root",
        "root",
    ).pytest().assert_outcomes(passed=2)


def test_both_streams_are_read_in_the_order_in_which_they_come(workspace: Workspace) -> None:
    workspace.console(
        "$ echo one; echo two >&2; echo three; cat < /dev/null",
        "one",
        "two",
        "three",
        "$ no-such-command",
        "bash: line 1: no-such-command: command not found",
        "[exit status: 127]",
    ).pytest().assert_outcomes(passed=2)


def test_a_difference_is_shown_with_file_line_and_command(workspace: Workspace) -> None:
    workspace.console(
        "$ printf 'sipsak\\n'; cat <<END",
        "> listening on $((5000 + 60))",
        "> ready",
        "> END",
        "{package}",
        "...",
        "listening on 5061",
        "ready {version}",
    )
    assert workspace.one_failure() == dedent("""\
        howtos/sipsak.md:4: The command did not print what is expected.

            $ printf 'sipsak\\n'; cat <<END
            > listening on $((5000 + 60))
            > ready
            > END

        --- expected
        +++ actual
        @@ -1,3 +1,3 @@
         sipsak
        -listening on 5061
        -ready 0.9.8.1-1~farm1
        +listening on 5060
        +ready""")


def test_an_exit_status_is_shown_with_what_was_printed(workspace: Workspace) -> None:
    workspace.console("# echo disk full; echo bye >&2; exit 28")
    assert workspace.one_failure() == dedent("""\
        howtos/sipsak.md:4: The command ended with exit status 28, not 0.

            # echo disk full; echo bye >&2; exit 28

        It printed:

        disk full
        bye""")


def test_success_is_a_failure_where_the_howto_says_so(workspace: Workspace) -> None:
    workspace.console("$ true", "[exit status: 1]")
    assert workspace.one_failure() == dedent("""\
        howtos/sipsak.md:4: The command ended with exit status 0, not 1.

            $ true

        It printed nothing.""")


def test_exit_status_and_difference_are_shown_together(workspace: Workspace) -> None:
    workspace.console("$ echo no; false", "yes")
    assert workspace.one_failure().endswith("\n@@ -1 +1 @@\n-yes\n+no")


def test_a_place_that_cannot_be_entered_is_not_taken_for_the_command(
    workspace: Workspace,
) -> None:
    workspace.console("$ true", "yes").command("gone", "")
    assert workspace.one_failure().split("\n")[4:] == [
        "--- expected",
        "+++ actual",
        "@@ -1 +0,0 @@",
        "-yes",
        "",
        "The place itself said:",
        "",
        "unshare: no such chroot",
    ]


def test_a_command_that_is_not_there_may_be_installed(workspace: Workspace) -> None:
    workspace.console("$ no-such-command")
    assert workspace.one_failure().splitlines()[-4:] == [
        "",
        "bash: line 1: no-such-command: command not found",
        "",
        "In the HOWTO, <!-- farm: install=NAME --> installs one more package.",
    ]


def test_a_command_that_takes_too_long_is_ended(workspace: Workspace) -> None:
    workspace.howto(
        "howtos/sipsak.md",
        """\
        <!-- farm: timeout=1 s -->
        ```console
        $ echo waiting; sleep 600
        ```
        """,
    )
    assert workspace.one_failure() == dedent("""\
        howtos/sipsak.md:3: The command was still running after 1 s.

            $ echo waiting; sleep 600

        It printed:

        waiting

        In the HOWTO, <!-- farm: timeout=300 s --> gives each command more time.""")


def test_after_a_failure_nothing_is_run_and_what_ran_before_is_shown(workspace: Workspace) -> None:
    workspace.console("$ echo first", "$ seq 50", "$ false", "$ touch ../after")
    shown = workspace.one_failure()
    assert "howtos/sipsak.md:6: The command ended with exit status 1, not 0." in shown
    _, _, before = shown.partition("- Captured howto call -")
    lines = before.split("\n")[1:]
    assert lines[:4] == ["$ echo first", "first", "$ seq 50", "(10 lines are left out here)"]
    assert lines[4:] == [str(number) for number in range(11, 51)]
    assert list(workspace.pytester.path.rglob("after")) == []
    assert workspace.places[1:] == ["left with HowtoFailure"]


def test_what_is_shown_commands_no_terminal(workspace: Workspace) -> None:
    workspace.console(r"$ printf '\033[2Jfirst\n'", r"$ printf '\033[2Jsecond\n'; false")
    shown = workspace.one_failure()
    assert "\n\\x1b[2Jsecond\n" in shown
    assert "\n\\x1b[2Jfirst\n" in f"{shown}\n"
    assert "\x1b" not in shown


def test_the_report_in_junit_says_the_same(workspace: Workspace) -> None:
    workspace.console("$ false").pytest("--junitxml=junit.xml")
    xml = (workspace.pytester.path / "junit.xml").read_text()
    assert 'message="howtos/sipsak.md:4: The command ended with exit status 1, not 0.&#10;' in xml


def test_without_a_release_a_howto_says_what_it_needs(workspace: Workspace) -> None:
    workspace.console("$ true")
    result = workspace.pytester.runpytest_inprocess("-rs")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(
        ["SKIPPED * give --release REPOSITORY to try this HOWTO on a release"]
    )


def test_what_the_farm_refuses_is_one_sentence(workspace: Workspace) -> None:
    result = workspace.howto("howtos/unbuilt.md", "```console\n$ true\n```\n").pytest()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        ["*HOWTO of unbuilt on *", "unbuilt cannot be tried because libre failed.", "*"],
        consecutive=True,
    )
    result.stdout.no_fnmatch_line("*.py:*")


def test_a_mistake_of_the_farm_keeps_its_traceback(workspace: Workspace) -> None:
    result = workspace.howto("howtos/broken.md", "```console\n$ true\n```\n").pytest()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*conftest.py:*: ZeroDivisionError"])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "# Nothing\n",
            "howtos/sipsak.md has no console block with a command, so it shows nothing about its"
            " package.",
        ),
        (
            "```console\nhello\n```\n",
            "howtos/sipsak.md:2: 'hello' stands before the first command.",
        ),
        ("\xe4", "howtos/sipsak.md is not UTF-8 text: *."),
    ],
)
def test_a_mistake_in_a_howto_is_one_sentence(
    workspace: Workspace, text: str, sentence: str
) -> None:
    (workspace.pytester.path / "howtos").mkdir()
    (workspace.pytester.path / "howtos/sipsak.md").write_text(text, encoding="latin-1")
    result = workspace.pytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*ERROR collecting howtos/sipsak.md*", sentence], consecutive=True
    )
    result.stdout.no_fnmatch_line("*.py:*")


@pytest.mark.parametrize("name", ["docs/sipsak.md", "howtos/x/sipsak.md", "howtos/README.md"])
def test_other_markdown_is_no_howto(workspace: Workspace, name: str) -> None:
    workspace.howto(name, "```console\n$ false\n```\n").pytest().assert_outcomes()


def test_workers_run_whole_howtos(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        last = "false" if number == 3 else "cat file"
        workspace.howto(
            f"howtos/tool{number}.md", f"```console\n$ echo {number} > file\n$ {last}\n```\n"
        )
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p xdist -p timeout --timeout=60")
    result = workspace.pytester.runpytest_subprocess("--release", "rc", "-n2", timeout=60)
    result.assert_outcomes(passed=6, failed=2)
    result.stdout.fnmatch_lines(
        ["howtos/tool3.md:3: The command ended with exit status 1, not 0."]
    )
    assert len([line for line in workspace.places if line.startswith("tool")]) == 8


# --- the examples of docs/howtos.md ---

PAGE = Path(__file__).parents[2] / "docs/howtos.md"


def examples(language: str) -> list[str]:
    """Give the blocks of one language; those of Markdown are fenced with four backticks."""
    fence = "````" if language == "markdown" else "```"
    return re.findall(rf"^{fence}{language}\n(.*?)^{fence}$", PAGE.read_text(), re.M | re.DOTALL)


@pytest.mark.parametrize("text", examples("markdown"))
def test_examples_in_prose_pass(workspace: Workspace, text: str) -> None:
    workspace.howto("howtos/sipsak.md", text).pytest().assert_outcomes(passed=2)


def test_the_example_of_a_failure_is_what_is_shown(workspace: Workspace) -> None:
    workspace.command("sipsak", SIPSAK.replace("VERSION", "0.9.7"))
    workspace.howto("howtos/sipsak.md", examples("markdown")[0])
    assert examples("text") == [workspace.one_failure() + "\n"]


def test_the_example_in_python_passes(workspace: Workspace) -> None:
    workspace.command("dpkg-query", "#!/bin/sh\necho 'install ok installed 0.9.8.1-1~farm1'\n")
    (example,) = examples("python")
    workspace.howto("howtos/sipsak/test_sipsak.py", example)
    workspace.pytest("--strict-markers").assert_outcomes(passed=2)
