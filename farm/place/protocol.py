"""Floor 2: what every place where commands run can do."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from farm.base.run import Result


class Place(Protocol):
    """Where commands run: a chroot overlay, and later a guest over ssh."""

    def run(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        timeout: timedelta,
        user: str = "root",
        cwd: str = "/",
        env: Mapping[str, str] | None = None,
        input: str | None = None,
        ok: Sequence[int] | None = (0,),
        log: Path | None = None,
    ) -> Result:
        """Run a command in the place; see :func:`farm.base.run.run`."""
        ...
