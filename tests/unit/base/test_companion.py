"""A look at a process that lives only for that look."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.companion import descriptor_of
from farm.base.errors import CommandError, CommandTimeout

SECOND = timedelta(seconds=30)


def test_a_file_of_the_process_stays_open_when_it_has_ended() -> None:
    descriptor = descriptor_of(["cat"], file="ns/user", timeout=SECOND)
    try:
        mine = Path("/proc/self/ns/user").stat()
        assert os.fstat(descriptor).st_ino == mine.st_ino
        assert not os.get_inheritable(descriptor)
    finally:
        os.close(descriptor)


def test_a_process_that_ends_at_once() -> None:
    with pytest.raises(CommandError, match="sh ended before it was ready") as caught:
        descriptor_of(["sh", "-c", "echo no luck >&2"], file="ns/user", timeout=SECOND)
    assert caught.value.details == "no luck"


def test_a_process_that_does_not_answer() -> None:
    with pytest.raises(CommandTimeout, match="sleep was not ready"):
        descriptor_of(["sleep", "1000"], file="ns/user", timeout=timedelta(milliseconds=50))
