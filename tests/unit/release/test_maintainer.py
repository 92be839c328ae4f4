"""Who maintains a new package."""

from __future__ import annotations

import pytest

from farm.release.maintainer import find_maintainer

GIT = {"user.name": "Git User", "user.email": "git@example.org"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "Git User <git@example.org>"),
        ({"DEBFULLNAME": "Ada"}, "Ada <git@example.org>"),
        ({"DEBEMAIL": "ada@example.com"}, "Git User <ada@example.com>"),
        ({"DEBEMAIL": "Ada L. <ada@example.com>"}, "Ada L. <ada@example.com>"),
        ({"NAME": "Ada", "EMAIL": "ada@example.com"}, "Ada <ada@example.com>"),
        ({"DEBFULLNAME": "Ädä Łove", "DEBEMAIL": "a+b@x.example"}, "Ädä Łove <a+b@x.example>"),
    ],
)
def test_the_environment_goes_before_git(environ: dict[str, str], expected: str) -> None:
    assert str(find_maintainer(environ, git=GIT)) == expected


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("", "ada@example.org"),
        ("Ada", ""),
        ("Ada", "ada@localhost"),
        ("Ada", "ada"),
        ("root", "ada@example.org"),
        ("Ada", "root@example.org"),
        ("Ada <ada>", "ada@example.org"),
        ("Love, Ada", "ada@example.org"),
        ("Ada\nMaintainer: Eve", "ada@example.org"),
    ],
)
def test_nobody_is_better_than_what_lintian_refuses(name: str, address: str) -> None:
    assert find_maintainer({"DEBFULLNAME": name, "DEBEMAIL": address}) is None
