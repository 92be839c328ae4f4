"""``farm shell``: a look into the environment of a build that failed."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import termios
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.errors import InputError
from farm.base.run import Result, run
from farm.build.chroots import Base
from farm.build.failures import Failure, Failures
from tests.integration.build_workspace import TARGET, BuildWorkspace, made_in, wait_until
from tests.integration.prepared_state import link_prepared
from tests.integration.terminal_user import TerminalUser

ROOT = Path(__file__).parents[2]
FARM = (sys.executable, "-m", "farm.cli.main")
NAME = f"broken@{TARGET}"
MINUTE = timedelta(minutes=1)

Opener = Callable[..., TerminalUser]


@pytest.fixture(scope="module")
def workspace(
    farm_state: Path, base_chroot: Base, tmp_path_factory: pytest.TempPathFactory
) -> BuildWorkspace:
    made = BuildWorkspace(tmp_path_factory.mktemp("shells"))
    link_prepared(farm_state, made.layout.root)
    made.write("broken", "mkdir -p part; echo text > part/file; exit 1",
               config='build_options = ["nodoc"]')  # fmt: skip
    made.write("good")
    made.build("good")
    return made


@pytest.fixture
def failure(workspace: BuildWorkspace) -> Iterator[Failure]:
    """Give a failure whose environment nobody else uses."""
    yield workspace.fail("broken")[1]
    wait_until(lambda: not workspace.processes(), what="the end of all that was inside")
    for each in Failures(workspace.layout).all():
        Failures(workspace.layout).release(each)
    assert workspace.leftovers() == []


@pytest.fixture
def open_shell(workspace: BuildWorkspace, failure: Failure) -> Iterator[Opener]:
    """Give a function that opens a shell at a terminal, seen to its first prompt."""
    with contextlib.ExitStack() as stack:

        def open_one(*words: str) -> TerminalUser:
            user = TerminalUser([*FARM, "shell", "broken", *words], cwd=workspace.root)
            stack.callback(user.close)
            user.see(f"({NAME}) ")
            user.see("# " if "--root" in words else "$ ")
            return user

        yield open_one


def shell(workspace: BuildWorkspace, *words: str) -> Result:
    """Run ``farm shell`` without a terminal."""
    return run([*FARM, "shell", *words], cwd=workspace.root, timeout=MINUTE, ok=None)


# Where one is.


@pytest.mark.usefixtures("failure")
def test_a_command_runs_where_the_build_failed(workspace: BuildWorkspace) -> None:
    script = "pwd; id -un; echo $DEB_BUILD_OPTIONS; cat part/file"
    done = shell(workspace, "broken", "--", "sh", "-c", script)
    assert done.stdout.splitlines() == ["/build/broken-1.0", "farm", "parallel=1 nodoc", "text"]
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.usefixtures("failure")
@pytest.mark.parametrize("words", [
    (NAME, "--root", "--", "sh", "-c", "id -un; exit 7"),
    ("--root", "broken", "sh", "-c", "id -un; exit 7"),
])  # fmt: skip
def test_root_inside_and_the_exit_status(
    workspace: BuildWorkspace, words: tuple[str, ...]
) -> None:
    done = shell(workspace, *words)
    assert (done.stdout, done.returncode) == ("root\n", 7)


def test_what_is_said_on_entry(open_shell: Opener, failure: Failure) -> None:
    user = TerminalUser([*FARM, "shell", "broken"], cwd=Path(failure.log).parents[3])
    said = user.see(f"({NAME}) farm:/build/broken-1.0$ ")
    user.close()
    assert said.splitlines() == [
        f"{NAME} does not build: dpkg-buildpackage -us -uc -b ended with exit status 2.",
        "This is its source tree, /build/broken-1.0, and you are farm. "
        "There is no network: --network allows one.",
        "Try again with: dpkg-buildpackage -us -uc -b",
        f"Whole log: {failure.log}",
        f"The environment stays until: farm gc --failed {NAME}",
    ]


def test_the_build_can_be_repaired_by_hand(open_shell: Opener) -> None:
    user = open_shell()
    user.do("sed -i '/exit 1/d' debian/make.sh")
    assert "dpkg-deb: building package 'broken'" in user.do("dpkg-buildpackage -us -uc -b")


def test_the_latest_failure_is_entered(workspace: BuildWorkspace, failure: Failure) -> None:
    shell(workspace, "broken", "--", "touch", "first")
    workspace.fail("broken")
    assert "first" not in shell(workspace, "broken", "--", "ls").stdout


# The terminal.


def test_the_terminal_is_a_proper_one(open_shell: Opener) -> None:
    user = open_shell()
    assert user.do("tty") == "/dev/pts/0\n"
    assert user.do("stty size") == "24 80\n"
    assert user.do("echo text > /dev/stderr") == "text\n"
    assert user.do("echo text > $(tty)") == "text\n"
    user.resize(50, 132)
    os.kill(user.process.pid, signal.SIGWINCH)
    wait_until(lambda: user.do("stty size") == "50 132\n", what="the new size")


def test_keys_reach_the_program_inside(open_shell: Opener) -> None:
    user = open_shell()
    user.type("sh -c 'echo started; exec sleep 1000'\n")
    user.see("started\n")
    user.type("\x03")
    user.see("$ ")
    assert user.do("echo $?") == "130\n"
    assert "Running" in user.do("sleep 1000 & jobs")
    user.type("\x04")
    assert user.wait() == 0


def test_the_terminal_is_afterwards_as_it_was(open_shell: Opener) -> None:
    user = open_shell()
    user.do("stty raw -echo; stty sane")
    user.type("exit 3\n")
    assert user.wait() == 3
    assert termios.tcgetattr(user.slave) == user.before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_as_it_was_after_a_signal(open_shell: Opener, number: int) -> None:
    user = open_shell()
    os.kill(user.process.pid, number)
    assert user.wait() == 130
    assert termios.tcgetattr(user.slave) == user.before


@pytest.mark.parametrize("words", [(), ("--root",)])
def test_nobody_inside_can_type_for_the_user(open_shell: Opener, words: tuple[str, ...]) -> None:
    user = open_shell(*words)
    push = "perl -e 'ioctl STDIN, 0x5412, $_ for split //, qq(echo evil\\n)'"  # TIOCSTI
    user.type(f"{push}; exit\n")
    user.wait()
    assert user.waiting_input() == b""


def test_what_is_piped_is_passed_on_as_it_is(workspace: BuildWorkspace, failure: Failure) -> None:
    line = "printf 'a\\nb' | farm shell broken -- cat | od -c | head -1"
    line = line.replace("farm", " ".join(FARM), 1)
    done = run(["sh", "-c", line], cwd=workspace.root, timeout=MINUTE)
    assert done.stdout.split() == ["0000000", "a", "\\n", "b"]
    user = TerminalUser(["sh", "-c", f"{' '.join(FARM)} shell broken -- printf 'a\\nb' > out"],
                        cwd=workspace.root)  # fmt: skip
    assert user.wait() == 0
    user.close()
    assert (workspace.root / "out").read_bytes() == b"a\nb"


# Several at once.


def namespace_of(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/mnt").readlink())
    except PermissionError:  # the first process of a sandbox lets nobody but root look
        return ""


def test_two_shells_are_in_the_same_place(open_shell: Opener, workspace: BuildWorkspace) -> None:
    first, second = open_shell(), open_shell()
    namespaces = {place for pid in workspace.processes() if (place := namespace_of(pid))}
    assert len(namespaces) == 1  # so it is mounted once
    first.do("echo 1 > note; sleep 1000 & echo $! > pid")
    assert second.do("cat note") == "1\n"
    assert second.do("kill $(cat pid) && echo killed") == "killed\n"
    first.type("exit\n")
    first.wait()
    assert second.do("cat note") == "1\n"
    third = open_shell()
    assert third.do("cat note") == "1\n"


def test_the_last_one_ends_all(open_shell: Opener, workspace: BuildWorkspace) -> None:
    first, second = open_shell(), open_shell()
    first.do("setsid nohup sleep 1000 > /dev/null 2>&1 & true")
    first.type("exit\n")
    first.wait()
    assert second.do("ls -d /proc/[0-9]* | wc -l") >= "5"
    second.type("exit\n")
    second.wait()
    wait_until(lambda: not workspace.processes(), what="the end of all processes", seconds=5)


def test_killed_shells_leave_nothing(open_shell: Opener, workspace: BuildWorkspace) -> None:
    first, second = open_shell(), open_shell()
    first.type("sleep 1000\n")
    first.kill()
    assert second.do("echo here") == "here\n"
    second.kill()
    wait_until(lambda: not workspace.processes(), what="the end of all processes", seconds=5)


def test_many_first_shells_at_once(workspace: BuildWorkspace, failure: Failure) -> None:
    words = [*FARM, "shell", "broken", "--", "sh", "-c", "echo x >> together; sleep 0.3"]
    users = [TerminalUser(words, cwd=workspace.root) for _ in range(8)]
    try:
        assert [user.wait() for user in users] == [0] * 8
    finally:
        for user in users:
            user.close()
    done = shell(workspace, "broken", "--", "wc", "-l", "together")
    assert done.stdout == "8 together\n"


def test_coming_while_the_last_one_goes(workspace: BuildWorkspace, failure: Failure) -> None:
    for number in range(10):
        done = shell(workspace, "broken", "--", "sh", "-c", "echo x >> turns; wc -l < turns")
        assert (done.stdout, done.stderr) == (f"{number + 1}\n", "")


def test_a_keeper_that_was_killed_is_replaced(
    open_shell: Opener, workspace: BuildWorkspace
) -> None:
    user = open_shell()
    for pid in workspace.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert user.wait() != 0
    again = open_shell()
    assert again.do("cat part/file") == "text\n"


# What goes on meanwhile.


def test_a_build_is_not_disturbed(
    open_shell: Opener, workspace: BuildWorkspace, failure: Failure
) -> None:
    user = open_shell()
    user.do("touch mine")
    make = workspace.root / "packages/broken/debian/make.sh"
    text = make.read_text()
    make.write_text("echo mended > made\n")
    try:
        assert made_in(workspace.build("broken")) == "mended\n"
    finally:
        make.write_text(text)
    workspace.workshop().sweep()
    assert user.do("ls mine") == "mine\n"


def test_it_is_not_released_while_a_shell_is_open(
    open_shell: Opener, workspace: BuildWorkspace, failure: Failure
) -> None:
    user = open_shell()
    with pytest.raises(InputError, match="A shell is open in the failed build of broken@"):
        Failures(workspace.layout).release(failure)
    assert user.do("cat part/file") == "text\n"
    user.type("exit\n")
    user.wait()
    Failures(workspace.layout).release(failure)
    assert not Failures(workspace.layout).folder(failure).exists()


# The network.


@pytest.mark.usefixtures("failure")
def test_a_network_only_when_it_is_asked_for(workspace: BuildWorkspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        words = ("--", "bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}")
        assert shell(workspace, "broken", *words).returncode == 1
        assert shell(workspace, "broken", "--network", *words).returncode == 0


@pytest.mark.usefixtures("failure")
def test_with_a_network_names_are_found_as_on_the_host(
    workspace: BuildWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    words = ("--", "sh", "-c", "cat /etc/resolv.conf; echo proxy=$https_proxy")
    done = shell(workspace, "broken", "--network", *words)
    assert (
        done.stdout == Path("/etc/resolv.conf").read_text() + "proxy=http://proxy.example:3128\n"
    )


# When there is nothing to go into.


def test_a_package_that_builds(workspace: BuildWorkspace) -> None:
    done = shell(workspace, "good")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"farm: No failed build of good is kept: good@{TARGET} builds.",
        "Build it with: pytest --release dev --package good",
    ]


def test_a_package_that_does_not_exist(workspace: BuildWorkspace) -> None:
    done = shell(workspace, "brokn")
    assert done.returncode == 2
    assert "broken" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_command_without_dashes(workspace: BuildWorkspace, failure: Failure) -> None:
    done = shell(workspace, "broken", "--root", "make")
    assert done.returncode == 2
    assert "farm shell broken -- make" in done.stderr


def test_an_environment_that_somebody_deleted(workspace: BuildWorkspace, failure: Failure) -> None:
    folder = Failures(workspace.layout).folder(failure)
    folder.rename(folder.with_name("elsewhere"))
    done = shell(workspace, "broken", "true")
    folder.with_name("elsewhere").rename(folder)
    assert done.returncode == 2
    assert f"{folder} is gone" in done.stderr
