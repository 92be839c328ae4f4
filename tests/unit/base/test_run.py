"""Commands are run to their end, or ended; what they are given and what they said is known."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.errors import CommandError, CommandTimeout, FarmFault
from farm.base.run import Result, environment, interact, run

LONG = timedelta(seconds=30)
SOON = timedelta(seconds=0.3)


def sh(script: str, *words: str, timeout: timedelta = LONG) -> Result:
    """Run a script of the shell, whatever its exit status."""
    return run(["sh", "-c", script, "sh", *words], timeout=timeout, ok=None)


class Leash:
    """A FIFO that processes hold open: all of them are gone when its end is reached."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self._reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def is_held(self) -> bool:
        """Say whether somebody holds it now."""
        try:
            return os.read(self._reader, 1) != b""
        except BlockingIOError:
            return True

    def is_loose(self) -> bool:
        """Wait a little until nobody holds it any more, and say whether that came."""
        if self.is_held():
            select.select([self._reader], [], [], 10)
        return not self.is_held()

    def close(self) -> None:
        os.close(self._reader)


@pytest.fixture
def leash(tmp_path: Path) -> Iterator[Leash]:
    with contextlib.closing(Leash(tmp_path / "leash")) as leash:
        yield leash


# How a command ends.


def test_the_result_says_how_it_ended() -> None:
    result = sh("echo out; echo err >&2; exit 3")
    assert (result.returncode, result.stdout, result.stderr) == (3, "out\n", "err\n")
    assert result.argv[:2] == ("sh", "-c")
    assert 0 < result.seconds < LONG.total_seconds()
    assert result.stopped == ""


def test_output_is_text_whatever_its_bytes_are() -> None:
    assert sh(r"printf 'k\303\244se \377'").stdout == "käse \N{REPLACEMENT CHARACTER}"


def test_an_unexpected_exit_status_is_an_error_with_the_last_lines() -> None:
    with pytest.raises(CommandError) as caught:
        run(["sh", "-c", "seq 100; echo oh no >&2; exit 7"], timeout=LONG)
    assert caught.value.brief.endswith(" ended with exit status 7.")
    lines = caught.value.details.splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("62", "oh no", 40)


def test_expected_exit_statuses_are_named() -> None:
    assert run(["sh", "-c", "exit 2"], timeout=LONG, ok=(0, 2)).returncode == 2
    with pytest.raises(CommandError, match="exit status 0"):
        run(["true"], timeout=LONG, ok=(2,))


def test_a_command_that_a_signal_ended_says_which() -> None:
    with pytest.raises(CommandError, match=r"sh -c 'kill -KILL \$\$' was ended by SIGKILL\.$"):
        run(["sh", "-c", "kill -KILL $$"], timeout=LONG)


def test_messages_call_a_wrapped_command_by_what_it_wraps() -> None:
    wrapped = ["sh", "-c", "exit 1", "--", "dpkg-source", "my package"]
    with pytest.raises(CommandError) as caught:
        run(wrapped, timeout=LONG, shown=["dpkg-source", "my package"])
    assert caught.value.brief == "dpkg-source 'my package' ended with exit status 1."


def test_messages_stay_readable_when_the_command_is_not() -> None:
    with pytest.raises(CommandError) as caught:
        run(["false", "x" * 10_000], timeout=LONG)
    assert len(caught.value.brief) < 400


# What cannot be started.


def test_a_program_that_is_missing_is_named_with_what_to_do() -> None:
    with pytest.raises(FarmFault) as caught:
        run(["no-such-program", "--version"], timeout=LONG)
    assert caught.value.brief == "The program no-such-program is not installed."
    assert "./bootstrap" in caught.value.hint


def test_a_file_that_cannot_be_executed_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_text("not a program\n")
    with pytest.raises(FarmFault, match=r"program cannot be started: Permission denied\.$"):
        run([path], timeout=LONG)
    path.chmod(0o755)
    with pytest.raises(FarmFault, match=r"program cannot be started: Exec format error\.$"):
        run([path], timeout=LONG)


def test_a_folder_that_is_missing_is_not_blamed_on_the_program(tmp_path: Path) -> None:
    with pytest.raises(FarmFault, match=r"folder .*/gone, where true should run, does not exist"):
        run(["true"], timeout=LONG, cwd=tmp_path / "gone")


# What a command is given.


def test_the_environment_is_built_and_not_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    monkeypatch.setenv("HOME", "/home/alice")
    lines = run(["env"], timeout=LONG, env={"COLOUR": "red"}).stdout.splitlines()
    given = dict(line.split("=", 1) for line in lines)
    assert given["COLOUR"] == "red"
    assert (given["LANG"], given["LC_ALL"], given["TZ"]) == ("C.UTF-8", "C.UTF-8", "UTC")
    assert given["HOME"] == "/home/alice"
    assert "SECRET" not in given
    assert given == environment({"COLOUR": "red"})


def test_what_is_given_goes_before_what_is_built() -> None:
    assert environment({"PATH": "/opt"})["PATH"] == "/opt"


def test_words_are_never_read_by_a_shell() -> None:
    hostile = ["$(touch pwned)", "; exit 9", "a b", "*", "'", ""]
    result = run(["printf", "%s|", *hostile], timeout=LONG)
    assert result.stdout == "$(touch pwned)|; exit 9|a b|*|'||"


def test_it_runs_in_the_folder_that_is_given(tmp_path: Path) -> None:
    assert run(["pwd", "-P"], timeout=LONG, cwd=tmp_path).stdout == f"{tmp_path.resolve()}\n"


@pytest.fixture
def own_input(tmp_path: Path) -> Iterator[None]:
    """Something that this process could read, as it could from a terminal."""
    (tmp_path / "typed").write_text("typed\n")
    before = os.dup(0)
    with (tmp_path / "typed").open() as stream:
        os.dup2(stream.fileno(), 0)
    yield
    os.dup2(before, 0)
    os.close(before)


@pytest.mark.usefixtures("own_input")
def test_there_is_nothing_to_read_unless_given() -> None:
    assert run(["cat"], timeout=LONG).stdout == ""
    assert run(["cat"], timeout=LONG, input="").stdout == ""
    assert run(["cat"], timeout=LONG, input="käse\n").stdout == "käse\n"


def test_input_may_be_longer_than_a_pipe_holds() -> None:
    text = "0123456789abcde\n" * 50_000
    assert run(["cat"], timeout=LONG, input=text).stdout == text


def test_input_that_nobody_reads_is_no_trouble() -> None:
    assert run(["true"], timeout=LONG, input="x" * 1_000_000).returncode == 0


def test_input_that_nobody_reads_does_not_stop_the_clock() -> None:
    with pytest.raises(CommandTimeout):
        run(["sleep", "60"], timeout=SOON, input="x" * 1_000_000)


# What a command says.


def test_the_log_gets_both_streams_behind_what_it_has(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    run(["sh", "-c", "echo out; echo err >&2"], timeout=LONG, log=log)
    assert sorted(log.read_text().splitlines()) == ["before", "err", "out"]
    assert log.read_text().startswith("before\n")


def test_the_log_has_what_a_failed_command_said(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(CommandTimeout):
        run(["sh", "-c", "echo so far; exec sleep 60"], timeout=SOON, log=log)
    assert log.read_text() == "so far\n"


def test_too_much_output_ends_the_command(tmp_path: Path) -> None:
    log = tmp_path / "log"
    result = run(["yes"], timeout=LONG, log=log, log_limit=100_000)
    assert result.stopped == "it wrote more than 100000 bytes of output"
    assert 100_000 < log.stat().st_size < 300_000


def test_output_up_to_the_limit_is_fine(tmp_path: Path) -> None:
    result = run(["printf", "12345"], timeout=LONG, log=tmp_path / "log", log_limit=5)
    assert (result.stopped, result.stdout) == ("", "12345")


def test_of_endless_output_the_end_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.base.run._CAPTURE_BYTES", 100_000)
    result = sh("seq 100000; echo why >&2; exit 1")
    assert result.stderr == "why\n"
    assert result.stdout.endswith("\n99999\n100000\n")
    assert 100_000 <= len(result.stdout) < 300_000


def test_small_pieces_do_not_push_out_large_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.base.run._CAPTURE_BYTES", 100_000)
    result = sh("seq 30000; for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 0.01; done")
    assert len(result.stdout) >= 100_000


# When it is ended.


def test_a_late_command_is_ended_and_says_what_it_said() -> None:
    with pytest.raises(CommandTimeout) as caught:
        sh("echo working; exec sleep 60", timeout=SOON)
    assert caught.value.brief.endswith(" was ended after 0:00:00.300000.")
    assert caught.value.details == "working"


def test_all_that_a_late_command_has_started_is_ended(leash: Leash) -> None:
    with pytest.raises(CommandTimeout):
        sh('exec 9>"$1"; sleep 60 & (sleep 60; true) & wait', str(leash.path), timeout=SOON)
    assert leash.is_loose()


def test_a_child_that_does_not_care_about_term_is_ended_too(
    leash: Leash, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farm.base.run._GRACE_OF_CHILDREN", timedelta(seconds=0.2))
    script = """exec 9>"$1"; (trap '' TERM; sleep 60; sleep 60) & wait"""
    with pytest.raises(CommandTimeout):
        sh(script, str(leash.path), timeout=SOON)
    assert leash.is_loose()


def test_a_command_that_does_not_care_about_term_is_ended_too(
    leash: Leash, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farm.base.run._GRACE", timedelta(seconds=0.2))
    with pytest.raises(CommandTimeout):
        sh("""exec 9>"$1"; trap '' TERM; sleep 60; sleep 60""", str(leash.path), timeout=SOON)
    assert leash.is_loose()


def test_a_late_command_may_clean_up(tmp_path: Path) -> None:
    cleaned = tmp_path / "cleaned"
    with pytest.raises(CommandTimeout):
        sh("""trap 'echo yes >"$1"; exit' TERM; sleep 60 & wait""", str(cleaned), timeout=SOON)
    assert cleaned.read_text() == "yes\n"


def test_an_interrupted_run_leaves_nothing_behind(
    leash: Leash, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farm.base.run._POLL_SECONDS", 0.05)

    def interrupt() -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(["sh", "-c", 'exec 9>"$1"; sleep 60', "sh", leash.path], timeout=LONG, watch=interrupt)
    assert leash.is_loose()


def test_who_watches_can_end_it(leash: Leash, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.base.run._POLL_SECONDS", 0.05)
    asked = []

    def watch() -> str | None:
        asked.append(True)
        return "it filled the disk" if len(asked) == 2 else None

    script = 'exec 9>"$1"; sleep 60'
    result = run(["sh", "-c", script, "sh", leash.path], timeout=LONG, watch=watch)
    assert result.stopped == "it filled the disk"
    assert leash.is_loose()


# What is left in the background.


def test_a_background_child_that_holds_the_output_does_not_hang(leash: Leash) -> None:
    result = sh('exec 9>"$1"; echo started; sleep 60 & echo $! >&2', str(leash.path))
    assert (result.returncode, result.stdout) == (0, "started\n")
    assert result.seconds < 10
    assert leash.is_held(), "a command may start a server that goes on"
    os.kill(int(result.stderr), 9)
    assert leash.is_loose()


def test_a_background_child_that_goes_on_talking_does_not_hang() -> None:
    result = sh("yes & echo $! >&2")
    os.kill(int(result.stderr), 9)
    assert result.returncode == 0
    assert result.seconds < 10


def test_all_that_was_said_before_the_end_is_taken() -> None:
    result = sh("sleep 60 & echo $! >&2; head -c 60000 /dev/zero")
    os.kill(int(result.stderr), 9)
    assert len(result.stdout) == 60_000


# On the user's own terminal.


def test_a_command_on_the_terminal_gives_its_exit_status() -> None:
    assert interact(["sh", "-c", "exit 5"]) == 5


def test_a_missing_program_on_the_terminal_is_named() -> None:
    with pytest.raises(FarmFault, match="program no-such-program is not installed"):
        interact(["no-such-program"])
