"""Floor 0: a look at a process that lives only for that look."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from farm.base.errors import CommandError, CommandTimeout
from farm.base.run import environment


def descriptor_of(argv: Sequence[str], *, file: str, timeout: timedelta) -> int:
    """Start a command, open one file of its ``/proc`` folder once it is ready, and end it.

    A namespace lives on for as long as somebody has it open: see namespaces(7).

    :param argv: answers a line with a line when it is ready, as ``cat`` does, and ends with its
        input.
    :param file: such as ``ns/user``.
    :raises CommandError: when the command ends instead; its words are in the details.
    :raises CommandTimeout: when it does not answer in time.
    """
    with subprocess.Popen(
        argv, env=environment(), start_new_session=True, bufsize=0,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            if process.stdin is None or process.stdout is None or process.stderr is None:
                raise CommandError(f"{argv[0]} has no pipes.")
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(b"\n")
            if not select.select([process.stdout], [], [], timeout.total_seconds())[0]:
                raise CommandTimeout(f"{argv[0]} was not ready after {timeout}.")
            if process.stdout.read(1) != b"\n":
                details = process.stderr.read().decode(errors="replace").strip()
                raise CommandError(f"{argv[0]} ended before it was ready.", details=details)
            return os.open(Path("/proc") / str(process.pid) / file, os.O_RDONLY | os.O_CLOEXEC)
        finally:
            process.kill()
