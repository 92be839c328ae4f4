"""Floor 1: what someone may have meant to write."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from farm.base.errors import InputError


def find_nearest(text: str, known: Iterable[str]) -> str:
    """Give the known word that looks most like a text, or nothing when none does."""
    return next(iter(get_close_matches(text, sorted(known), n=1)), "")


def refuse_unknown(name: str, *, kind: str, known: Iterable[str]) -> InputError:
    """Make the error for a name that does not exist.

    :param kind: what it would be the name of, such as ``package``.
    :returns: an error to raise, with the nearest spelling, and all known names as its hint.
    """
    names = sorted(known)
    nearest = find_nearest(name, names)
    guess = f"; did you mean {nearest}?" if nearest else "."
    hint = f"Known are: {', '.join(names)}." if names else f"farm.toml names no {kind} at all."
    return InputError(f"There is no {kind} {name!r}{guess}", hint=hint)
