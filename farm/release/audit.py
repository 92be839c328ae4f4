"""Floor 5: the audit of a published repository: whether it is what its receipt says."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from farm.base.errors import AuditFailed, FarmFault, InputError
from farm.release.audited_gates import GateAudit, audit_gates
from farm.release.subjects import subjects_of
from farm.repo.reader import Reader
from farm.repo.signing import verify_detached
from farm.report.receipt import LIMIT, RECEIPT, SIGNATURE, Receipt, read_receipt

_SIGNATURE_LIMIT = 1 << 16
_KEYRING_LIMIT = 1 << 22
_SHOWN = 20
_T = TypeVar("_T")


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it must be.

    :param part: ``indexes``, ``receipt``, ``files`` or ``gates``.
    """

    part: str
    brief: str
    details: str = ""


@dataclass(frozen=True)
class Audit:
    """What an audit has seen; JSON-able through :func:`dataclasses.asdict`.

    :param trust: ``keyring``, or ``self`` when the repository vouches for itself.
    :param key: the fingerprint of the key that signed indexes and receipt.
    :param when: of the publication, as the receipt says.
    :param files: how many files were compared with what is signed.
    :param findings: empty when the repository is what its receipt says.
    """

    location: str
    trust: str
    repository: str = ""
    snapshot: str = ""
    candidate: str = ""
    who: str = ""
    key: str = ""
    when: str = ""
    files: int = 0
    gates: tuple[GateAudit, ...] = ()
    findings: tuple[Finding, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def lines(self) -> list[str]:
        """Say it to people, gate by gate."""
        said: list[str] = []
        if self.repository:
            said += [
                f"{self.location} is {self.repository}, snapshot {self.snapshot}",
                f"published by {self.who} at {self.when}, signed by {self.key}",
            ]
        if self.trust == "self":
            said.append(
                "The key was taken from the repository itself: this shows that the repository is "
                "whole, but not whose it is."
            )
        said += [line for gate in self.gates for line in gate.lines()]
        for one in self.findings:
            said += [
                f"{one.part}: {one.brief}",
                *(f"  {line}" for line in one.details.splitlines()),
            ]
        if self.passed:
            said.append(f"Everything is as the receipt says: {self.files} files compared.")
        return said


def audit(
    location: str | Path, *, keyring: Path | None, require: Sequence[str] = (), quick: bool = False
) -> Audit:
    """Compare a repository with its receipt, believing only what is signed.

    Whatever is wrong with the repository becomes a finding.

    :param keyring: whose keys may have signed; None takes the key that lies in the repository.
    :param require: gates that must have opened.
    :param quick: compare the sizes of packages only, and download none.
    :raises InputError: when the location or the keyring cannot be used at all.
    :raises FarmFault: when a program that is needed is missing here.
    """
    if keyring and not keyring.is_file():
        raise InputError(f"The keyring {keyring} does not exist.")
    reader, seen = _read(location, keyring)
    if any(one.part in ("files", "receipt") for one in seen.findings):
        # It may have been switched between two readings: then the second time tells.
        reader, seen = _read(location, keyring)
    findings = [*seen.findings]
    files = 0
    if seen.readable:
        files, wrong = _compare_bytes(reader, quick=quick)
        findings += wrong
    gates: tuple[GateAudit, ...] = ()
    if seen.receipt:
        gates = audit_gates(seen.receipt.predicate, require=require)
        shut = [gate.problem for gate in gates if gate.problem]
        findings += [Finding("gates", text) for text in shut]
    return _report(str(location), reader, seen, files=files, gates=gates, findings=findings)


@dataclass(frozen=True)
class _Seen:
    """What one reading has shown; ``readable`` means that the indexes are signed and sound."""

    readable: bool
    key: str
    receipt: Receipt | None
    findings: tuple[Finding, ...]


def _read(location: str | Path, keyring: Path | None) -> tuple[Reader, _Seen]:
    reader = Reader(location, keyring)
    findings: list[Finding] = []
    served = _attempt(findings, "indexes", lambda: _read_indexes(reader))
    key = served.key if served else ""
    receipt = _attempt(findings, "receipt", lambda: _receipt_of(reader, keyring, key=key))
    if served and receipt:
        findings += _compare_with_receipt(receipt, served)
    return reader, _Seen(served is not None, key, receipt, tuple(findings))


@dataclass(frozen=True)
class _Served:
    """What the signed indexes say."""

    files: Mapping[str, str]
    digest: str
    key: str
    suites: tuple[str, ...]


def _read_indexes(reader: Reader) -> _Served:
    codenames = reader.codenames()
    suites = tuple(sorted({reader.release(codename).suite for codename in codenames}))
    return _Served(subjects_of(reader), reader.digest(), _key_of(reader), suites)


def _key_of(reader: Reader) -> str:
    keys = sorted({reader.fingerprint(codename) for codename in reader.codenames()})
    if len(keys) > 1:
        raise AuditFailed(f"The distributions are signed by different keys: {', '.join(keys)}.")
    return keys[0]


def _receipt_of(reader: Reader, keyring: Path | None, *, key: str) -> Receipt:
    """Fetch the receipt, and read it only when its signature is good."""
    with tempfile.TemporaryDirectory(prefix="farm-audit-") as name:
        folder = Path(name)
        if keyring is None:
            keyring = folder / "served.gpg"
            served = str(reader.about.get("keyring", ""))
            keyring.write_bytes(reader.fetch(served, limit=_KEYRING_LIMIT))
        data = reader.fetch(RECEIPT, limit=LIMIT)
        (folder / RECEIPT).write_bytes(data)
        signature = reader.fetch(SIGNATURE, limit=_SIGNATURE_LIMIT)
        (folder / SIGNATURE).write_bytes(signature)
        signer = verify_detached(folder / RECEIPT, folder / SIGNATURE, keyring)
    receipt = read_receipt(data)
    if key and signer != key:
        raise AuditFailed(f"The receipt is signed by {signer}, the indexes by {key}.")
    if receipt.predicate.who.key != signer:
        raise AuditFailed(
            f"The receipt is signed by {signer}, and says that {receipt.predicate.who.key} signed."
        )
    return receipt


def _compare_with_receipt(receipt: Receipt, served: _Served) -> list[Finding]:
    said = receipt.predicate
    found = []
    if served.suites != (said.repository.replace("/", "-"),):
        suites = ", ".join(served.suites)
        found.append(f"The receipt is that of {said.repository}, this is {suites}.")
    if said.candidate != served.digest:
        found.append("The indexes hold another content than the candidate that was checked.")
    findings = [Finding("files", _plain(text)) for text in found]
    have, promised = served.files, receipt.files
    for text, names in (
        ("are served, and the receipt does not know them", have.keys() - promised.keys()),
        ("are in the receipt, and not served", promised.keys() - have.keys()),
        (
            "have another content than the receipt says",
            {name for name in have.keys() & promised.keys() if have[name] != promised[name]},
        ),
    ):
        if names:
            listed = _plain("\n".join(sorted(names)[:_SHOWN]))
            findings.append(Finding("files", f"{len(names)} files {text}.", listed))
    return findings


def _compare_bytes(reader: Reader, *, quick: bool) -> tuple[int, list[Finding]]:
    findings: list[Finding] = []
    indexes = _attempt(findings, "indexes", reader.check_indexes)
    packages = _attempt(findings, "files", lambda: reader.check_pool(heads=quick))
    return (indexes or 0) + (packages or 0), findings


def _attempt(findings: list[Finding], part: str, do: Callable[[], _T]) -> _T | None:
    """Do something with a repository; whatever that makes its readers raise is a finding.

    A fault of the farm goes on: it says nothing about the repository.
    """
    try:
        return do()
    except FarmFault:
        raise
    except (InputError, AuditFailed) as error:
        details = "\n".join(error.details.splitlines()[:_SHOWN])
        findings.append(Finding(part, _plain(error.brief), _plain(details)))
    except Exception as error:  # noqa: BLE001 - foreign parsers read what a stranger wrote
        text = f"It cannot be read: {type(error).__name__}: {error}"
        findings.append(Finding(part, _plain(text[:500])))
    return None


def _plain(text: str) -> str:
    """Leave out what could do something to a terminal."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


def _report(
    location: str,
    reader: Reader,
    seen: _Seen,
    *,
    files: int,
    gates: tuple[GateAudit, ...],
    findings: Sequence[Finding],
) -> Audit:
    base = Audit(location, reader.trust, key=seen.key, files=files, findings=tuple(findings))
    if seen.receipt is None:
        return base
    said = seen.receipt.predicate
    return Audit(
        location, reader.trust, _plain(said.repository), _plain(said.snapshot),
        _plain(said.candidate), _plain(said.who.login), _plain(said.who.key),
        said.when.isoformat(), files, gates, tuple(findings),
    )  # fmt: skip
