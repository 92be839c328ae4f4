"""Floor 1: a target, distribution and architecture."""

from __future__ import annotations

import re
from dataclasses import dataclass

from farm.base.errors import InputError

_TARGET = re.compile(r"(?P<distribution>[a-z][a-z0-9.]*)-(?P<architecture>[a-z0-9]+)")


@dataclass(frozen=True, order=True)
class Target:
    """What packages are built for, written ``bookworm-amd64``."""

    distribution: str
    architecture: str

    def __str__(self) -> str:
        return f"{self.distribution}-{self.architecture}"

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read ``DISTRIBUTION-ARCHITECTURE``.

        :raises InputError: for any other text.
        """
        match = _TARGET.fullmatch(text)
        if not match:
            raise InputError(
                f"{text!r} is not a target: it is written DISTRIBUTION-ARCHITECTURE.",
                hint="For instance: bookworm-amd64",
            )
        return cls(**match.groupdict())
