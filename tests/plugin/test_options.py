"""The options of a release run, as the user gives them."""

from __future__ import annotations

import pytest

from farm.plugin.options import Options

pytest_plugins = ["pytester"]


def options(pytester: pytest.Pytester, *arguments: str) -> Options:
    """What the command line says; nothing is read but that."""
    return Options.of(pytester.parseconfig(*arguments))


def test_nothing_is_released_unless_asked_for(pytester: pytest.Pytester) -> None:
    assert options(pytester) == Options("", (), (), "", fresh=False)


def test_all_of_them(pytester: pytest.Pytester) -> None:
    words = ["--release", "rc", "--promote=production", "--package", "a1", "--package=b1",
             "--target", "bookworm-amd64", "--fresh"]  # fmt: skip
    found = options(pytester, *words)
    assert found == Options("rc", ("a1", "b1"), ("bookworm-amd64",), "production", fresh=True)
    assert found.repositories == ("rc", "production")


def test_what_is_named_twice_counts_once(pytester: pytest.Pytester) -> None:
    words = [
        "--package",
        "b1",
        "--package",
        "a1",
        "--package",
        "b1",
        "--target",
        "x",
        "--target",
        "x",
    ]
    found = options(pytester, *words)
    assert (found.packages, found.targets) == (("b1", "a1"), ("x",))


def test_one_repository_is_published_without_a_promotion(pytester: pytest.Pytester) -> None:
    assert options(pytester, "--release", "dev").repositories == ("dev",)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--promote", "production"], "--promote production needs --release"),
        (["--release", "rc", "--promote", "rc"], "name the same repository"),
    ],
)
def test_options_that_make_no_sense_together(
    pytester: pytest.Pytester, words: list[str], sentence: str
) -> None:
    with pytest.raises(pytest.UsageError, match=sentence):
        options(pytester, *words)


def test_help_tells_what_they_are_for(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--help")
    result.stdout.fnmatch_lines(
        ["packaging farm:", "*--release=REPOSITORY*", "*--package=NAME*", "*--target=TARGET*",
         "*--promote=REPOSITORY*", "*--fresh*"]
    )  # fmt: skip


def test_marks_are_known(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.farm_gate(gate): *",
                                 "@pytest.mark.farm_install(package, ...): *"])  # fmt: skip
