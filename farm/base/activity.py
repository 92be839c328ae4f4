"""Floor 0: saying what a process is busy with, for whoever watches."""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[str], None]
"""Called with a few words at each step of something long, such as ``compiling``."""


def tell_nobody(_: str) -> None:
    """Say nothing."""
