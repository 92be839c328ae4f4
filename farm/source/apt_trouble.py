"""Floor 2: what apt's failures mean: an archive that lies, that lacks something, that is away."""

from __future__ import annotations

import re

from farm.base.errors import FarmError, FarmFault, SourceError
from farm.base.run import Result
from farm.source.mirror import Mirror

# apt has no exit status of its own for these (apt-get(8): 100 for every error), so its sentences,
# in the C locale that farm.base.run sets, have to tell.
_DISTRUST = re.compile(
    r"GPG error|is not signed|signatures? (?:were|could)|Hash Sum mismatch|unexpected size"
    r"|Release file for .* is (?:expired|not valid)|Conflicting distribution"
    r"|Clearsigned file isn't valid|weak security|No Hash entry|cannot be authenticated"
)
_LACKING = re.compile(
    r"does not have a Release file|doesn't have the component|doesn't support architecture"
    r"|Unable to find expected entry"
)
_HINTS = {
    "is expired|is not valid yet": "Look at this machine's clock, or take a mirror that keeps up.",
    "Hash Sum|unexpected size": "The mirror may be in the middle of an update: try again later.",
    "GPG error|signed|signature": "Look at the mirror and the keyring in the configuration.",
    "404": "Read the archive anew if it may have moved on since, or take another mirror.",
}


def explain(result: Result, *, mirror: Mirror) -> FarmError | None:
    """Say what is wrong after apt has worked on an archive; None when nothing is.

    Warnings count where they tell of an archive that is not the wanted one: apt takes a suite of
    another name that is signed with the right key with a warning only.

    :param result: of ``apt-get update`` or ``apt-get source``, with any exit status.
    :returns: a SourceError when the archive cannot be trusted or lacks something, or a FarmFault.
    """
    lines = [line[3:].strip() for line in result.stderr.splitlines() if line[:3] in _PREFIXES]
    lines += [line[3:].strip() for line in result.stdout.splitlines() if line[:3] in _PREFIXES]
    for pattern, sentence in (
        (_DISTRUST, "is not trusted"),
        (_LACKING, "lacks what is asked for"),
    ):
        reason = next((line for line in lines if pattern.search(line)), "")
        if reason:
            return SourceError(
                f"The archive at {_address(reason, mirror=mirror)} {sentence}: {reason}",
                details=result.stderr.strip()[-2000:],
                hint=_hint(reason),
            )
    if result.returncode == 0:
        return None
    reason = lines[0] if lines else f"apt-get ended with exit status {result.returncode}"
    return FarmFault(
        f"The archive at {_address(reason, mirror=mirror)} cannot be used: {reason}",
        details=result.stderr.strip()[-2000:],
        hint=_hint(reason) or "Look whether this machine reaches it.",
    )


_PREFIXES = ("E: ", "W: ", "N: ")


def _address(reason: str, *, mirror: Mirror) -> str:
    """Name the suite that apt speaks of, in the words of the configuration."""
    for suite in sorted(mirror.suites, key=lambda suite: len(suite.name), reverse=True):
        if suite.name in reason and re.sub("^file:", "copy:", suite.uri) in reason:
            return f"{suite.uri} ({suite.name})"
    return mirror.suites[0].uri


def _hint(reason: str) -> str:
    return next((hint for pattern, hint in _HINTS.items() if re.search(pattern, reason)), "")
