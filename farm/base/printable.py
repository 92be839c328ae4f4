"""Floor 0: text that strangers wrote, made harmless for the terminal of whoever reads it."""

from __future__ import annotations

import re

# What no text needs, but a terminal obeys: C0 and C1 control characters but line feed and tab,
# what turns the direction of writing (Unicode Standard Annex 9, table 4), and what cannot be
# encoded at all.
_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Give a text with every character that a terminal would obey escaped, such as ``\x1b``.

    Done twice it is the same as done once.
    """
    return _OBEYED.sub(lambda found: _escape(ord(found[0])), text)


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
