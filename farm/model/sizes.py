"""Floor 1: amounts of bytes as people write them."""

from __future__ import annotations

import re
from fractions import Fraction

from farm.base.errors import InputError

# units(7): KiB is 1024 bytes, kB is 1000.
_BYTES = {
    "B": 1,
    "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip
_SIZE = re.compile(r"(?P<number>[0-9]{1,15}(?:\.[0-9]{1,9})?)\s*(?P<unit>[A-Za-z]+)")
_LARGEST = 2**60


def parse_size(text: str) -> int:
    """Read ``10 GiB``, ``64 MiB``, ``500 MB``, ``4096 B`` as bytes.

    :raises InputError: for any other text, and for more than an exbibyte.
    """
    match = _SIZE.fullmatch(text.strip())
    if not match or match["unit"] not in _BYTES:
        raise InputError(
            f"{text!r} is not a size: it is written like '10 GiB', '64 MiB' or '500 MB'."
        )
    size = int(Fraction(match["number"]) * _BYTES[match["unit"]])
    if size > _LARGEST:
        raise InputError(f"{text!r} is too large: 1024 PiB at most.")
    return size
