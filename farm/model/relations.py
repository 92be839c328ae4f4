"""Floor 1: which packages a relationship field such as Build-Depends speaks of."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from debian.deb822 import PkgRelation
from debian.debian_support import DpkgArchTable

from farm.base.errors import InputError
from farm.model.names import check_package

if TYPE_CHECKING:
    Relation = PkgRelation.ParsedRelation


@functools.cache
def _table() -> DpkgArchTable:
    """Read dpkg's table of architectures: what ``linux-any`` stands for."""
    return DpkgArchTable.load_arch_table()


def is_concerned(architecture: str, *, names: Iterable[str]) -> bool:
    """Say whether an architecture is among ``amd64``, ``linux-any``, ``any``, ``!arm64``...

    As dpkg does, with its own table; an architecture that is not in it is never concerned.
    """
    # Policy 7.1 forbids to mix [arm64 !amd64]; dpkg builds such packages all the same.
    return _table().architecture_is_concerned(
        architecture, names, allow_mixing_positive_and_negative=True
    )


def _holds(relation: Relation, *, architecture: str, profiles: Collection[str]) -> bool:
    if not PkgRelation.holds_with_profiles(relation, profiles):
        return False
    names = [f"{'' if one.enabled else '!'}{one.arch}" for one in relation["arch"] or ()]
    return not names or is_concerned(architecture, names=names)


def _relations(field: str) -> list[Relation]:
    text = ",".join(part for part in field.split(",") if part.strip())
    if not text:
        return []
    try:
        parsed = PkgRelation.parse_relations(text)
    except (IndexError, ValueError) as error:
        raise InputError(
            f"{field.strip()[:200]!r} is not a list of package relationships.",
            hint="It is written as Debian Policy 7.1 says: libre-dev (>= 1.0) [amd64] | other.",
        ) from error
    return [relation for alternatives in parsed for relation in alternatives]


def depended_names(field: str, *, architecture: str, profiles: Collection[str] = ()) -> set[str]:
    """Give the names in a relationship field that matter for one kind of build.

    All alternatives count, because any of them may be the one that is taken. Those restricted to
    other architectures (``[arm64]``) or build profiles (``<!nocheck>``) do not: Debian Policy 7.1,
    deb-src-control(5). Versions are not looked at.

    :param field: the value of Build-Depends, Depends and the like; it may be folded or empty.
    :param profiles: the build profiles that are active, such as ``nocheck``.
    :raises InputError: for something that is not a relationship.
    """
    return {
        name
        for relation in _relations(field)
        for name in (check_package(relation["name"]),)
        if _holds(relation, architecture=architecture, profiles=profiles)
    }
