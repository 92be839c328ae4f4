"""Floor 0: a command that a person talks to, on a terminal that is not the person's own.

Whoever has a terminal may push characters into it, as if they had been typed: TIOCSTI in
ioctl_tty(2). So a command that is not trusted gets a pseudo terminal and a session of its own, and
only what it prints is passed on.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

from farm.base.run import environment

_GRACE_SECONDS = 2.0
_CHUNK = 65536

Terminal = tuple[int, int]
"""The descriptors of a pseudo terminal: of who holds it, and of who is in it."""


def is_talking() -> bool:
    """Say whether a person is there: whether what is read comes from a terminal."""
    return os.isatty(0)


def converse(
    argv: Sequence[str | os.PathLike[str]],
    *,
    cwd: Path,
    open_terminal: Callable[[], Terminal] = pty.openpty,
) -> int:
    """Run a command for the person who has started this program; gives its exit status.

    It is alone in a session. Where input, output or errors are a terminal, it gets a pseudo
    terminal instead; files and pipes are given to it as they are.

    :param open_terminal: makes the pseudo terminal, if there is need of one.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if not is_talking():
        with _started(argv, cwd, (0, 1, 2)) as process:
            return _status(process.wait())
    master, slave = open_terminal()
    try:
        streams = tuple(slave if os.isatty(number) else number for number in range(3))
        with _raw(), _resized(master), _started(argv, cwd, streams) as process:
            os.close(slave)
            slave = -1
            _pass_on(master, process)
            return _status(process.wait())
    finally:
        for descriptor in (master, slave):
            if descriptor >= 0:
                os.close(descriptor)


def _status(returncode: int) -> int:
    return returncode if returncode >= 0 else 128 - returncode


@contextlib.contextmanager
def _started(
    argv: Sequence[str | os.PathLike[str]], cwd: Path, streams: Sequence[int]
) -> Iterator[subprocess.Popen[bytes]]:
    stdin, stdout, stderr = streams
    with _interrupted_by(signal.SIGTERM, signal.SIGHUP), subprocess.Popen(
        [os.fspath(word) for word in argv], cwd=cwd, env=environment(), start_new_session=True,
        stdin=stdin, stdout=stdout, stderr=stderr,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            for number in (signal.SIGTERM, signal.SIGKILL):
                if process.poll() is None:
                    os.killpg(process.pid, number)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(_GRACE_SECONDS)


@contextlib.contextmanager
def _interrupted_by(*numbers: signal.Signals) -> Iterator[None]:
    """Let signals that end this process interrupt it instead, so that it can tidy up."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _raw() -> Iterator[None]:
    """Pass on every key, Ctrl-C too: the other terminal knows what it means."""
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSAFLUSH, before)


@contextlib.contextmanager
def _resized(master: int) -> Iterator[None]:
    """Let the pseudo terminal have the size of the person's, also when that changes."""

    def resize(_number: int, _frame: FrameType | None) -> None:
        size = fcntl.ioctl(0, termios.TIOCGWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
        fcntl.ioctl(master, termios.TIOCSWINSZ, size)

    before = signal.signal(signal.SIGWINCH, resize)
    try:
        resize(signal.SIGWINCH, None)
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def _pass_on(master: int, process: subprocess.Popen[bytes]) -> None:
    """Pass on what is typed and what is printed, until the command has ended."""
    screen = next((number for number in (1, 2) if os.isatty(number)), 0)
    os.set_blocking(master, False)
    typed, reading = b"", [0, master]
    ended = os.pidfd_open(process.pid)
    try:
        while True:
            writing = [master] if typed else []
            ready, writable, _ = select.select([ended, *reading], writing, [])
            if writable:
                typed = typed[_write(master, typed) :]
            if 0 in ready and not typed:
                typed = os.read(0, _CHUNK)
                if not typed:
                    reading.remove(0)
            if master in ready and not _show(master, screen):
                reading.remove(master)
            if ended in ready:
                while select.select([master], [], [], 0)[0] and _show(master, screen):
                    pass
                return
    finally:
        os.close(ended)


def _write(descriptor: int, data: bytes) -> int:
    try:
        return os.write(descriptor, data)
    except BlockingIOError:
        return 0


def _show(master: int, screen: int) -> bool:
    """Pass on what was printed; says whether there may be more, now or later."""
    try:
        data = os.read(master, _CHUNK)
    except BlockingIOError:
        return True
    except OSError:  # EIO: nobody is in the terminal any longer
        return False
    while data:
        data = data[os.write(screen, data) :]
    return True
