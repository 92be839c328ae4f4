"""Floor 0: running commands, always with a deadline, never through a shell."""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import signal
import subprocess  # the only home of subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

from farm.base.errors import CommandError, CommandTimeout, FarmFault

_PASSED_ON = ("HOME", "GNUPGHOME", "TMPDIR", "http_proxy", "https_proxy", "no_proxy",
              "SSL_CERT_FILE")  # fmt: skip
_TAIL = 40
_GRACE = timedelta(seconds=5)
_GRACE_OF_CHILDREN = timedelta(seconds=1)
_POLL_SECONDS = 1.0
_CAPTURE_BYTES = 64 * 2**20
_PIPE_BYTES = 2**20  # no pipe holds more: pipe(7), pipe-max-size

Watch = Callable[[], str | None]
"""Asked about once a second while a command runs; a sentence ends the command."""


@dataclass(frozen=True)
class Result:
    """How a command ended. ``stdout`` and ``stderr`` are decoded, bad bytes replaced."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    seconds: float
    stopped: str = ""

    @property
    def tail(self) -> str:
        """The last lines of both streams, for messages."""
        lines = (self.stdout + self.stderr).rstrip().splitlines()
        return "\n".join(lines[-_TAIL:])


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Build the environment of a command from a short list, inheriting nothing else."""
    env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    env |= {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    env |= {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return env | dict(extra or {})


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    timeout: timedelta,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    input: str | None = None,
    ok: Sequence[int] | None = (0,),
    log: Path | None = None,
    log_limit: int | None = None,
    watch: Watch | None = None,
    shown: Sequence[str | os.PathLike[str]] | None = None,
) -> Result:
    """Run a command to its end, or end it and its whole process group.

    What it has started in the background and left there goes on.

    :param env: added to :func:`environment`.
    :param input: what it reads; nothing when None.
    :param ok: accepted exit statuses; None accepts every one.
    :param log: both streams are appended there as they come.
    :param log_limit: bytes of output after which the command is ended.
    :param watch: see :data:`Watch`; what it says is in ``Result.stopped``.
    :param shown: what messages call the command, where it is wrapped in others.
    :raises CommandError: for another exit status.
    :raises CommandTimeout: when ``timeout`` is over.
    :raises FarmFault: when the program is not installed, or cannot be started.
    """
    words = tuple(os.fspath(word) for word in argv)
    name = shlex.join(os.fspath(word) for word in shown or words)[:300]
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(log.open("ab")) if log else None
        process = _start(words, cwd=cwd, env=env, input=input)
        talk = _Conversation(process, input=input, sink=sink, limit=log_limit, watch=watch)
        try:
            talk.go_on_until(started + timeout.total_seconds())
        finally:
            _end(process)
    result = Result(
        words, process.returncode, talk.text("stdout"), talk.text("stderr"),
        time.monotonic() - started, talk.stopped,
    )  # fmt: skip
    if talk.timed_out:
        raise CommandTimeout(f"{name} was ended after {timeout}.", details=result.tail)
    if ok is not None and not result.stopped and process.returncode not in ok:
        raise CommandError(f"{name} {_ending(process.returncode)}.", details=result.tail)
    return result


def _ending(returncode: int) -> str:
    if returncode >= 0:
        return f"ended with exit status {returncode}"
    try:
        return f"was ended by {signal.Signals(-returncode).name}"
    except ValueError:  # a real-time signal has no name
        return f"was ended by signal {-returncode}"


def interact(
    argv: Sequence[str | os.PathLike[str]],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> int:
    """Run a command on the user's own terminal and give back its exit status."""
    words = [os.fspath(word) for word in argv]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command
    try:
        return subprocess.call(
            words, cwd=cwd, env=environment(env),
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
    except OSError as error:
        raise _not_started(words[0], error) from error
    finally:
        signal.signal(signal.SIGINT, before)


def _not_started(program: str, error: OSError) -> FarmFault:
    if isinstance(error, FileNotFoundError):
        return FarmFault(
            f"The program {program} is not installed.",
            hint="./bootstrap installs everything that the farm needs.",
        )
    return FarmFault(f"{program} cannot be started: {error.strerror}.")


def _start(
    words: tuple[str, ...],
    *,
    cwd: Path | None,
    env: Mapping[str, str] | None,
    input: str | None,
) -> subprocess.Popen[bytes]:
    if cwd is not None and not cwd.is_dir():
        raise FarmFault(f"The folder {cwd}, where {words[0]} should run, does not exist.")
    try:
        return subprocess.Popen(
            words, cwd=cwd, env=environment(env), start_new_session=True,
            stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
    except OSError as error:
        raise _not_started(words[0], error) from error


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process that still runs, and its group: TERM, some grace, KILL; always reap.

    Its children may clean up too, but not for long: one that nobody reaps stays in the group.
    """
    if process.poll() is None:
        _tell_group(process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE.total_seconds())
        deadline = time.monotonic() + _GRACE_OF_CHILDREN.total_seconds()
        while _tell_group(process, 0) and time.monotonic() < deadline:
            time.sleep(0.02)
        _tell_group(process, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE.total_seconds())
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()


def _tell_group(process: subprocess.Popen[bytes], number: int) -> bool:
    """Send a signal to a process group; says whether anybody is in it."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True


class _Capture:
    """The end of what came through one pipe."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._size = 0

    def add(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._size += len(chunk)
        while self._size - len(self._chunks[0]) >= _CAPTURE_BYTES:
            self._size -= len(self._chunks.popleft())

    def text(self) -> str:
        return b"".join(self._chunks).decode(errors="replace")


class _Conversation:
    """Writes to one process and reads from it, without threads."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        *,
        input: str | None,
        sink: IO[bytes] | None,
        limit: int | None,
        watch: Watch | None,
    ) -> None:
        self._process = process
        self._left = memoryview((input or "").encode())
        self._sink = sink
        self._limit = limit
        self._watch = watch
        self._seen = 0
        self._captures = {"stdout": _Capture(), "stderr": _Capture()}
        self.stopped = ""
        self.timed_out = False

    def text(self, name: str) -> str:
        """Give what one stream said last, decoded."""
        return self._captures[name].text()

    def go_on_until(self, deadline: float) -> None:
        """Write and read until the process has ended, was told to stop, or is late."""
        with selectors.DefaultSelector() as selector:
            self._open(selector)
            next_look = time.monotonic() + _POLL_SECONDS
            while not self.stopped:
                if self._process.poll() is not None:
                    self._take_rest(selector)
                    return
                now = time.monotonic()
                if now >= deadline:
                    self.timed_out = True
                    return
                if self._watch and now >= next_look:
                    self.stopped = self._watch() or ""
                    next_look = now + _POLL_SECONDS
                    continue
                self._go_on(selector, min(_POLL_SECONDS, deadline - now))

    def _open(self, selector: selectors.BaseSelector) -> None:
        for name in ("stdin", "stdout", "stderr"):
            stream: IO[bytes] | None = getattr(self._process, name)
            if stream:
                os.set_blocking(stream.fileno(), False)
                events = selectors.EVENT_WRITE if name == "stdin" else selectors.EVENT_READ
                selector.register(stream, events, name)

    def _go_on(self, selector: selectors.BaseSelector, pause: float) -> None:
        if not selector.get_map():  # it has closed its streams, and goes on
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(pause)
            return
        for key, _ in selector.select(pause):
            if key.data == "stdin":
                self._give(selector, key)
            else:
                self._take(selector, key)

    def _take_rest(self, selector: selectors.BaseSelector) -> None:
        """Take what is in the pipes now: a child in the background may hold them open."""
        for key in list(selector.get_map().values()):
            if key.data != "stdin":
                self._take(selector, key)

    def _give(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        stream: IO[bytes] = key.fileobj  # type: ignore[assignment]
        with contextlib.suppress(BlockingIOError):
            try:
                self._left = self._left[os.write(stream.fileno(), self._left) :]
            except BrokenPipeError:  # it does not want to know more
                self._left = self._left[:0]
        if not self._left:
            selector.unregister(stream)
            stream.close()

    def _take(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        stream: IO[bytes] = key.fileobj  # type: ignore[assignment]
        try:
            chunk = os.read(stream.fileno(), _PIPE_BYTES)
        except BlockingIOError:
            return
        if not chunk:
            selector.unregister(stream)
            return
        self._seen += len(chunk)
        if self._sink:
            self._sink.write(chunk)
            self._sink.flush()
        self._captures[key.data].add(chunk)
        if self._limit is not None and self._seen > self._limit:
            self.stopped = f"it wrote more than {self._limit} bytes of output"
