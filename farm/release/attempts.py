"""Floor 5: what has failed in a run, so that nobody tries the same again for minutes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from farm.base.errors import AuditFailed, Blocked, FarmError, FarmFault, InputError, InstallFailed
from farm.base.files import read_json, write_json

_MOST = 2  # a fault of the farm or its host is worth another try; what the release does is not
_FAULT = FarmFault.__name__
_KINDS: dict[str, type[FarmError]] = {
    each.__name__: each for each in (InstallFailed, AuditFailed, InputError, FarmFault)
}


class Attempts:
    """The memory of one run, which all of its processes share.

    :param folder: of the run; None outside of one, where nothing is remembered.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def once(self, key: str) -> Iterator[None]:
        """Try something, unless that is of no use any more.

        :raises FarmError: the one that ended it before.
        """
        self._check(key)
        try:
            yield
        except Blocked:
            raise
        except FarmError as error:
            self._note(key, error)
            raise

    def _check(self, key: str) -> None:
        known = self._known(key)
        if known is None:
            return
        kind = _KINDS[known["kind"]]
        if kind is not FarmFault or known["times"] >= _MOST:
            raise kind(known["brief"], details=known["details"], hint=known["hint"])

    def _note(self, key: str, error: FarmError) -> None:
        if self._folder is None:
            return
        times = (self._known(key) or {"times": 0})["times"]
        kind = next((name for name, each in _KINDS.items() if isinstance(error, each)), _FAULT)
        write_json(self._folder / f"failed-{key}.json", {
            "kind": kind, "brief": error.brief, "details": error.details, "hint": error.hint,
            "times": times + 1,
        })  # fmt: skip

    def _known(self, key: str) -> Any:
        if self._folder is None:
            return None
        try:
            return read_json(self._folder / f"failed-{key}.json")
        except FileNotFoundError:
            return None
