"""Floor 1: how single values of farm.toml are read, each with a sentence for what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainValidator
from pydantic_core import PydanticCustomError

from farm.base.errors import InputError
from farm.config.spelling import find_nearest
from farm.model.durations import parse_duration
from farm.model.sizes import parse_size

Value = TypeVar("Value")
_Choice = TypeVar("_Choice", bound=StrEnum)


def text(read: Callable[[str], Value]) -> PlainValidator:
    """Make a validator of a function that reads text and raises InputError."""

    def validate(value: object) -> Value:
        if not isinstance(value, str):
            raise PydanticCustomError("string_type", "text")
        try:
            return read(value)
        except InputError as error:
            raise PydanticCustomError("farm", "{problem}", {"problem": error.brief}) from None

    return PlainValidator(validate)


def form(kind: str, pattern: str, example: str) -> PlainValidator:
    """Make a validator of a regular expression that the whole text must match."""
    compiled = re.compile(pattern)

    def read(value: str) -> str:
        if not compiled.fullmatch(value) or ".." in value:
            raise InputError(f"{value!r} is not {kind}: {example}.")
        return value

    return text(read)


def choice(kind: type[_Choice]) -> PlainValidator:
    """Make a validator of a closed set of values."""
    names = [str(member) for member in kind]

    def read(value: str) -> _Choice:
        if value in names:
            return kind(value)
        nearest = find_nearest(value, names)
        guess = f"; did you mean {nearest}?" if nearest else "."
        raise InputError(f"{value!r} is none of {', '.join(names)}{guess}")

    return text(read)


def _read_path(value: str) -> str:
    if not value or not value.isprintable():
        raise InputError(f"{value!r} is not a path.")
    return value


def positive(value: Value) -> Value:
    """Refuse nothing: ``0 s``, ``0 B``."""
    if not value:
        raise PydanticCustomError("farm", "must be more than nothing.")
    return value


def distinct(values: tuple[Value, ...]) -> tuple[Value, ...]:
    """Refuse a list that names something twice."""
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice is not None:
        raise PydanticCustomError("farm", "names {value} twice.", {"value": str(twice)})
    return values


def some(values: tuple[Value, ...]) -> tuple[Value, ...]:
    """Refuse a list that names nothing."""
    if not values:
        raise PydanticCustomError("farm", "must name at least one.")
    return distinct(values)


Duration = Annotated[timedelta, text(parse_duration)]
Timeout = Annotated[timedelta, text(parse_duration), AfterValidator(positive)]
Size = Annotated[int, text(parse_size), AfterValidator(positive)]
PathText = Annotated[str, text(_read_path)]
Word = Annotated[str, text(str)]


class Table(BaseModel):
    """A table of farm.toml: no other keys than these."""

    model_config = ConfigDict(frozen=True, extra="forbid")
