from __future__ import annotations

import pytest

from farm.release.versions import find_backwards
from farm.repo.content import BINARY, SOURCE, Entry, Piece


def entry(
    version: str, *, name: str = "sipsak", architecture: str = "amd64",
    distribution: str = "bookworm",
) -> Entry:  # fmt: skip
    kind = SOURCE if architecture == "source" else BINARY
    piece = Piece(f"{name}_{version}", "a" * 64, 1)
    return Entry(distribution, kind, name, version, architecture, (piece,))


@pytest.mark.parametrize(
    ("held", "offered"),
    [
        ("1.10", "1.9"),
        ("1.0", "1.0~rc1"),
        ("1:0.1", "2.0"),
        ("1.0-1~bpo70wheezy1", "1.0-1~bpo12bookworm1"),
        ("1.0-2", "1.0-1"),
    ],
    ids=["number", "tilde", "epoch", "backport", "revision"],
)
def test_a_lower_version_by_the_rules_of_dpkg_is_found(held: str, offered: str) -> None:
    (found,) = find_backwards([entry(offered)], held=[entry(held)])
    assert str(found) == f"sipsak amd64 in bookworm would go back from {held} to {offered}"
    assert find_backwards([entry(held)], held=[entry(offered)]) == []


def test_the_same_version_is_not_backwards() -> None:
    assert find_backwards([entry("1.0")], held=[entry("1.0")]) == []


def test_sources_and_each_distribution_are_compared_by_themselves() -> None:
    held = [entry("2.0", architecture="source"), entry("2.0", distribution="trixie")]
    assert find_backwards([entry("1.0")], held=held) == []
    assert len(find_backwards([entry("1.0", architecture="source")], held=held)) == 1


def test_a_package_that_becomes_architecture_all_is_compared() -> None:
    held = [entry("2.0"), entry("2.0", architecture="arm64")]
    found = find_backwards([entry("1.0", architecture="all")], held=held)
    assert [one.architecture for one in found] == ["amd64", "arm64"]
    back = find_backwards([entry("1.0")], held=[entry("2.0", architecture="all")])
    assert [one.architecture for one in back] == ["amd64"]


def test_a_repository_of_architecture_all_only_is_compared() -> None:
    held = [entry("2.0", architecture="all")]
    assert len(find_backwards([entry("1.0", architecture="all")], held=held)) == 1


def test_a_package_that_is_gone_does_not_go_backwards() -> None:
    assert find_backwards([], held=[entry("2.0")]) == []
