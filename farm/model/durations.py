"""Floor 1: lengths of time as people write them."""

from __future__ import annotations

import re
from datetime import timedelta

from farm.base.errors import InputError

_SECONDS = {
    "s": 1, "second": 1, "seconds": 1,
    "min": 60, "minute": 60, "minutes": 60,
    "h": 3600, "hour": 3600, "hours": 3600,
    "d": 86400, "day": 86400, "days": 86400,
    "week": 604800, "weeks": 604800,
}  # fmt: skip
_PART = re.compile(r"(?P<number>[0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(?P<unit>[a-z]+)")
_LONGEST = 3660 * 86400


def parse_duration(text: str) -> timedelta:
    """Read ``90 s``, ``30 minutes``, ``1 h 30 min``, ``1 day``.

    :raises InputError: for any other text, and for more than ten years.
    """
    parts = list(_PART.finditer(text))
    if not parts or _PART.sub("", text).strip() or any(p["unit"] not in _SECONDS for p in parts):
        raise InputError(
            f"{text!r} is not a duration: it is written like '90 s', '30 minutes', "
            "'1 h 30 min' or '1 day'."
        )
    seconds = sum(float(part["number"]) * _SECONDS[part["unit"]] for part in parts)
    if seconds > _LONGEST:
        raise InputError(f"{text!r} is too long: ten years at most.")
    return timedelta(seconds=seconds)
