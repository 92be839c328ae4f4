"""Floor 4: the receipt, the record of what was checked on which files, and how it ended.

A receipt is an in-toto statement (https://in-toto.io/Statement/v1) whose predicate is the farm's
own. It lies beside the indexes as ``receipt.json``, with an OpenPGP signature of the repository's
key in ``receipt.json.asc``; see ``docs/receipts.md``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.functional_validators import AfterValidator

from farm.base.errors import InputError
from farm.model.verdict import State, Verdict
from farm.report.records import Kind

RECEIPT = "receipt.json"
SIGNATURE = "receipt.json.asc"
PREDICATE: Final = "urn:packaging-farm:receipt:v1"
STATEMENT: Final = "https://in-toto.io/Statement/v1"
LIMIT = 64 * 2**20
"""The most bytes that a receipt may have: enough for some 300,000 files."""

_SHOWN = 10
_LONGEST = 4000


def _is_utc(when: AwareDatetime) -> AwareDatetime:
    if when.utcoffset() != timedelta(0):
        raise ValueError("the time is not in UTC")
    return when


def _is_below(name: str) -> str:
    if not {".", ".."}.isdisjoint(name.split("/")):
        raise ValueError("the name leads out of the repository")
    return name


_Text = Annotated[str, Field(max_length=_LONGEST)]
_Word = Annotated[str, Field(min_length=1, max_length=_LONGEST)]
_Sha256 = Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")]
_Name = Annotated[
    str,
    Field(pattern=r"\A[A-Za-z0-9.+~_:%-]+(?:/[A-Za-z0-9.+~_:%-]+)*\z", max_length=1000),
    AfterValidator(_is_below),
]
_Time = Annotated[AwareDatetime, AfterValidator(_is_utc)]


class _Part(BaseModel):
    # An in-toto reader passes over fields that it does not know, so that formats can grow.
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", populate_by_name=True)


class Digest(_Part):
    """The digests of one file."""

    sha256: _Sha256


class Subject(_Part):
    """One file that the receipt speaks of; ``name`` is its path below the repository."""

    name: _Name
    digest: Digest


class Item(_Part):
    """One required item of a gate; the fields are those of a verdict."""

    id: _Word
    digest: _Text
    state: State
    reason: _Text
    inputs: _Text
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    when: _Time
    run: _Text


class Gate(_Part):
    """What a gate required, and how it ended."""

    required: Annotated[int, Field(ge=0)]
    items: tuple[Item, ...]


class Input(_Part):
    """What one package was built from: digest of its source, and the key of its build."""

    package: _Word
    target: _Word
    source: _Text
    version: _Word
    key: _Text


class Who(_Part):
    """Who published: a login name, and the fingerprint of the key that signed."""

    login: _Word
    key: _Word


class Predicate(_Part):
    """What the receipt says of its files.

    :param candidate: the digest of the content, whichever repository signs it.
    :param previous: the id of the snapshot that the repository held before, or empty.
    :param farm: the version of the farm that published.
    :param former: the digest of what was upgraded to the content; empty for a first release.
    :param attachments: what is kept beside the copy of the receipt, with its SHA-256.
    """

    workspace: _Word
    repository: _Word
    kind: Kind
    candidate: _Word
    snapshot: _Word
    previous: _Text
    when: _Time
    who: Who
    farm: _Word
    targets: tuple[_Word, ...]
    inputs: tuple[Input, ...]
    gates: dict[_Word, Gate]
    former: _Text = ""
    attachments: dict[_Name, _Sha256] = Field(default_factory=dict)


class Receipt(_Part):
    """A whole receipt: an in-toto statement."""

    type: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type", default=STATEMENT)
    subject: tuple[Subject, ...]
    predicate_type: Literal["urn:packaging-farm:receipt:v1"] = Field(
        alias="predicateType", default=PREDICATE
    )
    predicate: Predicate

    @property
    def files(self) -> dict[str, str]:
        """The SHA-256 of each file by its path below the repository."""
        return {subject.name: subject.digest.sha256 for subject in self.subject}


def gate_of(verdicts: Iterable[Verdict]) -> Gate:
    """Give what a receipt says of one gate, from the verdicts on its required items."""
    items = tuple(
        Item(
            id=v.item, digest=v.digest, state=v.state, reason=v.reason[:_LONGEST], inputs=v.inputs,
            seconds=v.seconds, when=v.when, run=v.run,
        )
        for v in sorted(verdicts, key=lambda verdict: verdict.item)
    )  # fmt: skip
    return Gate(required=len(items), items=items)


def build_receipt(predicate: Predicate, *, files: Mapping[str, str]) -> dict[str, Any]:
    """Make the statement: what is said, of which files.

    :param files: the SHA-256 of each by its path below the repository.
    """
    subject = tuple(
        Subject(name=name, digest=Digest(sha256=sha256)) for name, sha256 in sorted(files.items())
    )
    return Receipt(subject=subject, predicate=predicate).model_dump(mode="json", by_alias=True)


def render_receipt(statement: Mapping[str, Any]) -> str:
    """Give the text of ``receipt.json``; equal statements have equal texts."""
    return json.dumps(statement, indent=1, sort_keys=True) + "\n"


def read_receipt(data: bytes) -> Receipt:
    """Read ``receipt.json``, whoever wrote it.

    :raises InputError: when it is not a receipt that this farm understands; the details name
        each field at fault.
    """
    if len(data) > LIMIT:
        raise InputError(f"The receipt has more than {LIMIT} bytes.")
    try:
        receipt = Receipt.model_validate_json(data)
    except ValidationError as error:
        raise InputError(
            "The receipt is not one that this farm understands.", details=_mistakes(error),
            hint=f"A receipt is an in-toto statement with the predicate {PREDICATE}.",
        ) from error  # fmt: skip
    if len(receipt.files) != len(receipt.subject):
        raise InputError("The receipt is not usable: it names a file twice.")
    return receipt


def _mistakes(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    lines = [f"{_place(e['loc'])}: {e['msg']}" for e in found]
    if len(lines) > _SHOWN:
        lines[_SHOWN:] = [f"… and {len(lines) - _SHOWN} more"]
    return "\n".join(lines)


def _place(loc: tuple[int | str, ...]) -> str:
    # Names come from the file: nothing of them may reach a terminal as it is.
    return ".".join(ascii(part).strip("'")[:100] for part in loc) or "it"
