"""Floor 5: what is kept beside a receipt: how the machines behind it were installed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from farm.base.files import sha256_of
from farm.model.layout import Layout
from farm.release.gates import INSTALL
from farm.release.installs import configurations
from farm.report.receipt import RECEIPT, read_receipt

_DIGITS = 16  # of a candidate's digest in the name of a snapshot, and so of its receipt's folder


def find_attachments(layout: Layout, candidate: str, *, gates: Sequence[str]) -> dict[str, Path]:
    """Give what shall be kept beside the receipt of a candidate, files by name.

    A machine that was cleared away since the candidate was released is still told of by the
    receipt of that.

    :param candidate: its digest.
    :param gates: those that the repository asks for: only ``install`` says how a machine is made.
    """
    if INSTALL not in gates:
        return {}
    return _kept(layout, candidate) | configurations(layout, candidate)


def _kept(layout: Layout, candidate: str) -> dict[str, Path]:
    """Give what former receipts of a candidate have beside them, as they say it is."""
    found: dict[str, Path] = {}
    receipts = layout.receipts.glob(f"*/*-{candidate[:_DIGITS]}-*/{RECEIPT}")
    for receipt in sorted(receipts, key=lambda path: path.parent.name):
        said = read_receipt(receipt.read_bytes()).predicate
        for name, digest in said.attachments.items():
            path = receipt.with_name(name)
            if said.candidate == candidate and path.is_file() and sha256_of(path) == digest:
                found[name] = path
    return found
