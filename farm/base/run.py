"""Floor 0: running commands, always with a deadline, never through a shell."""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import signal
import subprocess  # the only home of subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

from farm.base.errors import CommandError, CommandTimeout, FarmFault

_PASSED_ON = ("HOME", "TMPDIR", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE")
_TAIL = 40
_GRACE = timedelta(seconds=5)
_POLL_SECONDS = 1.0
_CAPTURE_BYTES = 64 * 2**20

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

    :param env: added to :func:`environment`.
    :param ok: accepted exit statuses; None accepts every one.
    :param log: both streams are appended there as they come.
    :param log_limit: bytes of output after which the command is ended.
    :param watch: see :data:`Watch`; what it says is in ``Result.stopped``.
    :param shown: what messages call the command, where it is wrapped in others.
    :raises CommandError: for another exit status.
    :raises CommandTimeout: when ``timeout`` is over.
    :raises FarmFault: when the program is not installed.
    """
    words = tuple(os.fspath(word) for word in argv)
    name = shlex.join(os.fspath(word) for word in shown or words)[:300]
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(log.open("ab")) if log else None
        process = _start(words, cwd=cwd, env=env, input=input)
        reader = _Reader(process, sink=sink, limit=log_limit, watch=watch)
        try:
            reader.feed(input)
            reader.read_until(started + timeout.total_seconds())
        finally:
            _end(process)
    result = Result(
        words, process.returncode, reader.text("stdout"), reader.text("stderr"),
        time.monotonic() - started, reader.stopped,
    )  # fmt: skip
    if reader.timed_out:
        raise CommandTimeout(f"{name} was ended after {timeout}.", details=result.tail)
    if ok is not None and not result.stopped and process.returncode not in ok:
        raise CommandError(
            f"{name} ended with exit status {process.returncode}.", details=result.tail
        )
    return result


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
    except FileNotFoundError as error:
        raise _missing(words[0]) from error
    finally:
        signal.signal(signal.SIGINT, before)


def _missing(program: str) -> FarmFault:
    return FarmFault(
        f"The program {program} is not installed.",
        hint="./bootstrap installs everything that the farm needs.",
    )


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
    except FileNotFoundError as error:
        raise _missing(words[0]) from error


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the process group: TERM, some grace, KILL; always reap."""
    for number, grace in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, _GRACE)):
        if process.poll() is not None:
            break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace.total_seconds())
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()


class _Reader:
    """Reads both streams of one process without threads."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        *,
        sink: IO[bytes] | None,
        limit: int | None,
        watch: Watch | None,
    ) -> None:
        self._process = process
        self._sink = sink
        self._limit = limit
        self._watch = watch
        self._seen = 0
        self._chunks: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        self.stopped = ""
        self.timed_out = False

    def feed(self, text: str | None) -> None:
        """Give the process its input; short texts only, they fit the pipe."""
        if text is None or self._process.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(text.encode())
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def read_until(self, deadline: float) -> None:
        """Read until the process has ended, was told to stop, or is late."""
        with selectors.DefaultSelector() as selector:
            for name in self._chunks:
                stream = getattr(self._process, name)
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, selectors.EVENT_READ, name)
            next_look = time.monotonic() + _POLL_SECONDS
            while not self.stopped:
                now = time.monotonic()
                if now >= deadline:
                    self.timed_out = True
                    return
                if self._watch and now >= next_look:
                    self.stopped = self._watch() or ""
                    next_look = now + _POLL_SECONDS
                ended = self._process.poll() is not None
                # A background child may hold the pipes open: read what is there, then leave.
                pause = 0.0 if ended else min(_POLL_SECONDS, deadline - now)
                events = selector.select(pause) if selector.get_map() else []
                if not events and ended:
                    return
                if not events and not selector.get_map():
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        self._process.wait(pause)
                for key, _ in events:
                    self._take(selector, key)

    def _take(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        stream: IO[bytes] = key.fileobj  # type: ignore[assignment]
        try:
            chunk = os.read(stream.fileno(), 65536)
        except BlockingIOError:
            return
        if not chunk:
            selector.unregister(stream)
            return
        self._seen += len(chunk)
        if self._sink:
            self._sink.write(chunk)
            self._sink.flush()
        chunks = self._chunks[key.data]
        chunks.append(chunk)
        if self._seen > _CAPTURE_BYTES:
            del chunks[0]
        if self._limit is not None and self._seen > self._limit:
            self.stopped = f"it wrote more than {self._limit} bytes of output"

    def text(self, name: str) -> str:
        """Give what one stream said, decoded."""
        return b"".join(self._chunks[name]).decode(errors="replace")
