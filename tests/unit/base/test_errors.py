"""Errors say what, why and what next, also after a way through another process."""

from __future__ import annotations

import copy
import pickle

import pytest

from farm.base import errors
from farm.base.errors import Blocked, BuildFailed, CommandError, FarmError, FarmFault, InputError

KINDS = sorted(
    (kind for kind in vars(errors).values() if isinstance(kind, type)),
    key=lambda kind: kind.__name__,
)


class Located(FarmError):
    """An error of another module, with an argument that has no default."""

    def __init__(self, brief: str, *, line: int) -> None:
        super().__init__(brief, hint="Look there.")
        self.line = line


def test_it_is_told_as_brief_details_and_hint() -> None:
    error = FarmError("libre does not build.", details="make: oh no", hint="Look inside.")
    assert str(error) == "libre does not build.\nmake: oh no\nLook inside."


def test_what_is_not_known_leaves_no_gap() -> None:
    assert str(FarmError("It failed.")) == "It failed."
    assert str(FarmError("It failed.", hint="Try again.")) == "It failed.\nTry again."


def test_no_part_of_it_commands_a_terminal() -> None:
    error = FarmError("a\x1b[2J", details="b\x9b1A\n\tc\r", hint="d\x07")
    assert str(error) == "a\\x1b[2J\nb\\x9b1A\n\tc\\x0d\nd\\x07"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_is_an_error_of_the_farm(kind: type[FarmError]) -> None:
    assert issubclass(kind, FarmError)


def test_the_three_kinds_of_trouble_never_mix() -> None:
    kinds = (errors.InputError, errors.FarmFault, errors.ProductFailure)
    for kind in KINDS:
        assert sum(issubclass(kind, each) for each in kinds) <= 1


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_another_process_gets_all_of_it(protocol: int) -> None:
    error = Blocked("ipbx is blocked.", by="libre@bookworm-amd64", details="x", hint="y")
    got = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 - its own
    assert type(got) is Blocked
    assert (got.brief, got.by, got.details, got.hint) == (error.brief, error.by, "x", "y")
    assert (str(got), got.args) == (str(error), error.args)


@pytest.mark.parametrize("kind", [BuildFailed, CommandError, FarmFault, InputError])
def test_the_kind_stays_the_same(kind: type[FarmError]) -> None:
    got = pickle.loads(pickle.dumps(kind("It failed.", details="why", hint="next")))  # noqa: S301
    assert type(got) is kind
    assert str(got) == "It failed.\nwhy\nnext"


def test_errors_of_other_modules_travel_too() -> None:
    error = Located("There is a mistake.", line=7)
    error.file = "farm.toml"  # type: ignore[attr-defined]
    for got in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - its own
        assert (got.line, got.hint, vars(got)["file"]) == (7, "Look there.", "farm.toml")
