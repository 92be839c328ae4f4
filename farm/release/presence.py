"""Floor 5: who is at work in a workspace, so that nothing is cleaned away from under anybody."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from farm.base.activity import Tell, tell_nobody
from farm.base.errors import WaitTimeout
from farm.base.files import locked

_PATIENCE = timedelta(minutes=15)
_LEAVING = timedelta(seconds=1)


class Presence:
    """A lock that all processes at work share, and that one which cleans up has for itself.

    The kernel drops it when its holder dies, however it dies.

    :param locks: the folder of lock files.
    :param leaving: how long to wait for processes that are about to end.
    """

    def __init__(self, locks: Path, *, leaving: timedelta = _LEAVING) -> None:
        self._path = locks / "presence.lock"
        self._leaving = leaving
        self._held = contextlib.ExitStack()

    def enter(self, *, tell: Tell = tell_nobody) -> None:
        """Be at work from now on; waits while another process cleans up.

        :raises WaitTimeout: when that takes unreasonably long.
        """
        self._held.enter_context(
            locked(
                self._path, timeout=_PATIENCE, what="cleaning up", shared=True,
                waiting=lambda: tell("waiting until another process has cleaned up"),
            )
        )  # fmt: skip

    def leave(self) -> None:
        """Be at work no longer; harmless when one is not."""
        self._held.close()

    @contextlib.contextmanager
    def alone(self) -> Iterator[bool]:
        """Have the workspace to oneself while the block runs; those who come later wait.

        Yields whether nobody else is at work. If somebody is, the block may do only what is safe
        beside others.
        """
        self.leave()
        try:
            with contextlib.ExitStack() as stack:
                free = False
                with contextlib.suppress(WaitTimeout):
                    what = "something in this workspace"
                    stack.enter_context(locked(self._path, timeout=self._leaving, what=what))
                    free = True
                yield free
        finally:
            self.enter()
