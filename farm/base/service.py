"""Floor 0: a program that runs in the background for as long as a block does, and no longer."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from farm.base.errors import FarmFault
from farm.base.run import environment

_GRACE = timedelta(seconds=5)
_TAIL = 2000


class Service:
    """A program in the background.

    :param log: where both of its streams go.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    @property
    def tail(self) -> str:
        """What it said last."""
        return self._log.read_text(errors="replace")[-_TAIL:] if self._log.exists() else ""


@contextlib.contextmanager
def serving(
    argv: Sequence[str | os.PathLike[str]],
    *,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[Service]:
    """Run a program until the block ends, or this process does, however that ends.

    :param env: added to :func:`farm.base.run.environment`.
    :raises FarmFault: when the program is not installed, or cannot be started.
    """
    words = ["setpriv", "--pdeathsig", "KILL", "--", *(os.fspath(word) for word in argv)]
    with log.open("ab") as sink:
        try:
            process = subprocess.Popen(
                words, cwd=cwd, env=environment(env), start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
            )  # fmt: skip
        except OSError as error:
            raise FarmFault(f"{argv[0]} cannot be started: {error.strerror}.") from error
    try:
        yield Service(process, log)
    finally:
        process.terminate()
        try:
            process.wait(_GRACE.total_seconds())
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_GRACE.total_seconds())
