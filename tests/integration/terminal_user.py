"""Somebody at a terminal, for tests of programs that one talks to."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess  # noqa: TID251 - a program at a terminal, to be typed to and killed
import termios
import time
from collections.abc import Sequence
from pathlib import Path

from farm.base.run import environment

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07)")


class TerminalUser:
    """Starts a program on a terminal, types, and waits for what appears."""

    def __init__(
        self, argv: Sequence[str], *, cwd: Path, rows: int = 24, columns: int = 80
    ) -> None:
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.screen = ""
        self.process = subprocess.Popen(
            argv, cwd=cwd, env={**environment(), "TERM": "xterm"}, start_new_session=True,
            stdin=self.slave, stdout=self.slave, stderr=self.slave,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip

    def resize(self, rows: int, columns: int) -> None:
        """Change the size of the window."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.master, text.encode())

    def see(self, text: str, *, seconds: float = 30) -> str:
        """Wait until a text appears; gives all that stood before it, and forgets that."""
        deadline = time.monotonic() + seconds
        while text not in self.screen:
            left = deadline - time.monotonic()
            assert left > 0, f"waited in vain for {text!r}, saw {self.screen!r}"
            if select.select([self.master], [], [], min(left, 0.2))[0]:
                self._read()
            elif self.process.poll() is not None:
                assert text in self.screen, f"it ended before {text!r}: {self.screen!r}"
        before, _, self.screen = self.screen.partition(text)
        return before

    def _read(self) -> None:
        data = os.read(self.master, 65536).decode(errors="replace")
        self.screen += _ESCAPE.sub("", data).replace("\r", "")

    def do(self, command: str) -> str:
        """Type a command at a shell's prompt and give what it prints."""
        self.type(f"{command}; echo 'do''ne'\n")
        self.see("\n")  # what was typed
        printed = self.see("done\n")
        self.see("$ ")
        return printed

    def wait(self, seconds: float = 30) -> int:
        """Wait until the program has ended; gives its exit status."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"still running: {self.screen!r}"
            if select.select([self.master], [], [], 0.05)[0]:
                self._read()
        return self.process.returncode

    def waiting_input(self) -> bytes:
        """Give the keys that nobody has read, pressed or pushed into the terminal."""
        quiet = termios.tcgetattr(self.slave)
        quiet[3] &= ~(termios.ICANON | termios.ECHO)
        termios.tcsetattr(self.slave, termios.TCSANOW, quiet)
        found = b""
        while select.select([self.slave], [], [], 0.1)[0]:
            found += os.read(self.slave, 65536)
        return found

    def kill(self) -> None:
        """End the program as the kernel does when memory is short."""
        self.process.kill()
        self.process.wait(30)

    def close(self) -> None:
        """Close the window."""
        self.kill()
        os.close(self.master)
        os.close(self.slave)
