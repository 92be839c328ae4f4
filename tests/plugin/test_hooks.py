"""What pytest collects in a workspace, what it refuses, and that it is left alone elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.plugin.fixtures import EXPLANATION
from tests.plugin.release_sample import FARM_TOML, make_workspace, node_ids, said, write

pytest_plugins = ["pytester"]


@pytest.fixture
def root(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace, in which pytest is run."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    make_workspace(pytester.path)
    return pytester.path


@pytest.fixture
def elsewhere(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder that is no workspace."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return pytester


def collect(pytester: pytest.Pytester, *arguments: str) -> list[str]:
    result = pytester.runpytest("--collect-only", "-q", *arguments)
    assert result.ret == 0
    return node_ids(result)


# What is collected.

UNITS = ["libre@bookworm-amd64", "libre@bookworm-arm64", "librem@bookworm-amd64",
         "sipsak@bookworm-amd64"]  # fmt: skip


@pytest.mark.usefixtures("root")
def test_every_package_on_every_target_is_an_item(pytester: pytest.Pytester) -> None:
    found = collect(pytester, "--release", "rc")
    builds = [name for name in found if "test_build" in name]
    assert builds == [f"release_tests/test_build.py::test_build[{unit}]" for unit in UNITS]
    lints = [name for name in found if "test_lint" in name]
    assert lints == [f"release_tests/test_repository.py::test_lint[{unit}]" for unit in UNITS]
    assert "release_tests/test_repository.py::test_contents[bookworm-arm64]" in found
    assert "release_tests/test_publish.py::test_publish[rc]" in found


@pytest.mark.usefixtures("root")
def test_howtos_are_items_of_each_target_of_their_package(pytester: pytest.Pytester) -> None:
    found = collect(pytester, "howtos", "--release", "rc")
    assert sorted(found) == [
        "howtos/libre/test_libre.py::test_one[bookworm-amd64]",
        "howtos/libre/test_libre.py::test_one[bookworm-arm64]",
        "howtos/libre/test_libre.py::test_two[bookworm-amd64]",
        "howtos/libre/test_libre.py::test_two[bookworm-arm64]",
        "howtos/librem.md::howto[bookworm-amd64]",
        "howtos/sipsak.md::howto[bookworm-amd64]",
    ]


MACHINE = '[machine]\npackages = ["libre"]\n'


@pytest.mark.parametrize(("gate", "expected"), [
    ("install", [
        "howtos/libre/test_service_on_machine.py::test_runs[bookworm-amd64:machine]",
        "howtos/libre/test_service_on_machine.py::test_runs[bookworm-arm64:machine]",
        "howtos/sipsak.md::howto[bookworm-amd64:machine]",
        "howtos/sipsak.md::howto[bookworm-amd64]",
        "howtos/sipsak_on_machine.md::howto[bookworm-amd64:machine]",
    ]),
    ("howto", ["howtos/sipsak.md::howto[bookworm-amd64]"]),
])  # fmt: skip
def test_a_howto_for_machines_is_tried_nowhere_else(
    root: Path, pytester: pytest.Pytester, gate: str, expected: list[str]
) -> None:
    write(root / "farm.toml", FARM_TOML.replace('"howto"]', f'"{gate}"]') + MACHINE)
    write(root / "howtos/sipsak_on_machine.md", "```console\n# systemctl\n```\n")
    write(root / "howtos/libre/test_service_on_machine.py", "def test_runs(host): pass\n")
    found = collect(pytester, "howtos", "--release", "rc")
    ours = [name for name in found if "sipsak" in name or "on_machine" in name]
    assert sorted(ours) == expected


@pytest.mark.usefixtures("root")
def test_only_the_packages_that_are_asked_for(pytester: pytest.Pytester) -> None:
    found = collect(pytester, "--release", "rc", "--package", "sipsak", "--package", "sipsak")
    assert all(name.endswith(("[sipsak@bookworm-amd64]", "[rc]", "[bookworm-amd64]"))
               for name in found)  # fmt: skip
    assert [name for name in found if name.startswith("howtos")] == [
        "howtos/sipsak.md::howto[bookworm-amd64]"
    ]


@pytest.mark.usefixtures("root")
def test_only_the_target_that_is_asked_for(pytester: pytest.Pytester) -> None:
    found = collect(pytester, "--release", "rc", "--target", "bookworm-arm64")
    assert found
    assert all("bookworm-arm64]" in name or name.endswith("[rc]") for name in found)
    assert not any("librem" in name for name in found)


@pytest.mark.usefixtures("root")
def test_any_subset_can_be_named(pytester: pytest.Pytester) -> None:
    name = "release_tests/test_build.py::test_build[librem@bookworm-amd64]"
    assert collect(pytester, name, "--release", "rc") == [name]
    assert len(collect(pytester, "-k", "sipsak and test_lint", "--release", "rc")) == 1


@pytest.mark.usefixtures("root")
def test_names_are_the_same_without_a_release(pytester: pytest.Pytester) -> None:
    released = collect(pytester, "--release", "rc")
    assert [name.replace("[no release]", "[rc]") for name in collect(pytester)] == released


def test_collecting_writes_nothing(pytester: pytest.Pytester, root: Path) -> None:
    write(root / "reports/rc/junit.xml", "of the last release")
    before = sorted(path for path in root.rglob("*") if ".pytest_cache" not in path.parts)
    collect(pytester, "--release", "rc", "-p", "no:cacheprovider")
    after = sorted(path for path in root.rglob("*") if "__pycache__" not in path.parts)
    assert after == before
    assert (root / "reports/rc/junit.xml").read_text() == "of the last release"


def test_a_folder_below_the_workspace_is_in_the_workspace(
    pytester: pytest.Pytester, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root / "howtos")
    result = pytester.runpytest("--collect-only", "-q", "sipsak.md", "--release", "rc")
    assert node_ids(result) == ["howtos/sipsak.md::howto[bookworm-amd64]"]


def test_howtos_of_packages_that_are_not_released_are_left_out(
    pytester: pytest.Pytester, root: Path
) -> None:
    write(root / "howtos/other/test_other.py", "def test_other(host): pass")
    write(root / "howtos/other.md", "# other\n\n```console\n$ true\n```\n")
    write(root / "howtos/README.md", "# How to write a HOWTO\n")
    assert not [name for name in collect(pytester, "howtos", "--release", "rc") if "other" in name]


def test_a_howto_that_tries_no_package_is_refused(pytester: pytest.Pytester, root: Path) -> None:
    write(root / "howtos/sipsak/test_sipsak.py", "def test_plain(): pass")
    result = pytester.runpytest("howtos")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    sentence = "howtos/sipsak/test_sipsak.py::test_plain asks for neither 'host' nor 'package'"
    assert sentence in said(result)
    assert "Traceback" not in said(result)


def test_a_test_may_have_parameters_and_fixtures_of_these_names(
    pytester: pytest.Pytester, root: Path
) -> None:
    write(root / "checks/conftest.py", FIXTURE_OF_ONES_OWN)
    write(
        root / "checks/test_own.py",
        """import pytest

@pytest.mark.parametrize(("release", "other"), [(1, 2), (3, 4)])
def test_parameters(release, other): assert other == release + 1

@pytest.mark.parametrize("job, other", [(1, 2)])
def test_more(job, other): assert other == job + 1

def test_fixture(released): assert released == "mine"
""",
    )
    pytester.runpytest("checks").assert_outcomes(passed=4)


FIXTURE_OF_ONES_OWN = """
import pytest

@pytest.fixture
def released():
    return "mine"
"""


# Without a release.


@pytest.mark.parametrize("arguments", [[], ["-n2"]], ids=["plain", "xdist"])
@pytest.mark.usefixtures("root")
def test_without_a_release_all_is_skipped_with_an_explanation(
    pytester: pytest.Pytester, arguments: list[str]
) -> None:
    result = pytester.runpytest_subprocess("-rs", *arguments)
    assert result.ret == 0
    outcomes = result.parseoutcomes()
    assert set(outcomes) == {"skipped"}
    assert outcomes["skipped"] > 20
    assert EXPLANATION in said(result)
    assert "give --release REPOSITORY to try this HOWTO on a release" in said(result)


# What is refused.


def refused(pytester: pytest.Pytester, *arguments: str) -> str:
    """The words with which a run is refused before it begins."""
    result = pytester.runpytest(*arguments)
    text = said(result)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "Traceback" not in text
    assert "INTERNALERROR" not in text
    assert not (pytester.path / ".farm").exists()
    errors = [line for line in text.splitlines() if line.startswith("ERROR: ")]
    return errors[0].removeprefix("ERROR: ")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--release", "prodction"], "There is no repository 'prodction'; did you mean prod"),
        (["--release", "x"], "There is no repository 'x'."),
        (["--release", "private"], "'private' is what private repositories have in common"),
        (["--release", "private/../rc"], "'private/../rc' is not a repository name"),
        (["--package", "sipsack"], "There is no package 'sipsack'; did you mean sipsak?"),
        (["--package", "../libre"], "There is no package '../libre'"),
        (["--target", "bookworm-amd46"], "There is no target 'bookworm-amd46'; did you mean"),
        (["--target", "../x"], "There is no target '../x'"),
        (["--promote", "prodction"], "There is no repository 'prodction'; did you mean prod"),
        (["--promote", "rc"], "--promote and --release name the same repository."),
        (["--promote", "private/alice"], "private/alice is not promoted from rc"),
        (["--package", "sipsak", "--target", "bookworm-arm64"], "No package is built for any of"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
@pytest.mark.usefixtures("root")
def test_what_does_not_exist_is_refused_with_the_nearest_spelling(
    pytester: pytest.Pytester, arguments: list[str], sentence: str
) -> None:
    release = [] if "--release" in arguments else ["--release", "rc"]
    assert refused(pytester, *release, *arguments).startswith(sentence)


@pytest.mark.usefixtures("root")
def test_private_repositories_need_no_table(pytester: pytest.Pytester) -> None:
    found = collect(pytester, "--release", "private/alice")
    assert "release_tests/test_publish.py::test_publish[private/alice]" in found


@pytest.mark.parametrize("release", [[], ["--release", "rc"]], ids=["no release", "release"])
def test_mistakes_in_farm_toml_are_refused_all_at_once(
    pytester: pytest.Pytester, root: Path, release: list[str]
) -> None:
    wrong = FARM_TOML.replace("gates = [", "gats = [").replace("folder =", "foldr =")
    (root / "farm.toml").write_text(wrong)
    refused(pytester, *release)
    text = said(pytester.runpytest(*release))
    assert "farm.toml: repository.rc.gats: unknown key; did you mean repository.rc.gates?" in text
    assert text.count("unknown key; did you mean package.") == 3


def test_a_farm_toml_that_is_no_toml_is_refused(pytester: pytest.Pytester, root: Path) -> None:
    (root / "farm.toml").write_text("[workspace\n")
    assert refused(pytester).startswith("farm.toml: line 1")


def test_a_workspace_without_packages_has_nothing_to_release(
    pytester: pytest.Pytester, root: Path
) -> None:
    (root / "farm.toml").write_text(FARM_TOML.partition("[package.")[0])
    assert refused(pytester, "--release", "rc").startswith("farm.toml names no package")


def test_a_release_needs_a_workspace(elsewhere: pytest.Pytester) -> None:
    assert refused(elsewhere, "--release", "rc").startswith("There is no farm.toml in ")


def test_a_promotion_needs_a_release(elsewhere: pytest.Pytester) -> None:
    assert refused(elsewhere, "--promote", "production").startswith("--promote production needs")


def test_a_mistake_in_a_source_is_refused_before_anything_is_tried(
    pytester: pytest.Pytester, root: Path
) -> None:
    (root / "packages/librem/debian/source/format").write_text("1.0\n")
    result = pytester.runpytest("--release", "rc")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "says '1.0': the farm packs" in said(result)
    assert "Traceback" not in said(result)


def test_packages_that_need_each_other_are_refused(pytester: pytest.Pytester, root: Path) -> None:
    control = root / "packages/libre/debian/control"
    control.write_text(control.read_text().replace("(= 13)", "(= 13), librem"))
    result = pytester.runpytest("--release", "rc")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "need each other in a circle: libre@bookworm-amd64 -> librem@" in said(result)


# Where there is no workspace.

PLAIN = """
import pytest

@pytest.mark.parametrize("number", range(4))
def test_plain(number):
    assert number < 3, "as expected"
"""
ABOUT_HOST = """
def test_host(host):
    assert host.run("echo here").stdout == "here\\n"
    assert host.backend.get_connection_type() == "local"
"""
# The oldest method of testinfra's backends is the one that all have.
ABOUT_HOST = ABOUT_HOST.replace("host.backend.get_connection_type()", "host.backend.NAME")


@pytest.mark.parametrize("arguments", [[], ["-n2"]], ids=["plain", "xdist"])
def test_other_projects_are_left_alone(elsewhere: pytest.Pytester, arguments: list[str]) -> None:
    elsewhere.makepyfile(PLAIN)
    result = elsewhere.runpytest_subprocess(*arguments)
    result.assert_outcomes(passed=3, failed=1)
    assert "farm" not in said(result).replace("packaging-farm", "").replace(
        str(elsewhere.path), ""
    )
    assert not (elsewhere.path / ".farm").exists()


def test_other_projects_keep_the_host_of_testinfra(elsewhere: pytest.Pytester) -> None:
    elsewhere.makepyfile(ABOUT_HOST)
    result = elsewhere.runpytest("--hosts=local://", "-v")
    result.assert_outcomes(passed=1)
    assert "test_host[local]" in said(result)


def test_other_projects_get_no_fixtures(elsewhere: pytest.Pytester) -> None:
    names = ("job", "package", "release", "candidate", "released", "farm_trial")
    elsewhere.makepyfile("\n".join(f"def test_{name}({name}): pass" for name in names))
    result = elsewhere.runpytest()
    result.assert_outcomes(errors=len(names))
    assert said(result).count(" not found\n") == len(names)


def test_other_projects_may_call_their_fixtures_the_same(elsewhere: pytest.Pytester) -> None:
    elsewhere.makepyfile(
        """
        import pytest

        @pytest.fixture(params=[1, 2])
        def release(request):
            return request.param

        @pytest.fixture
        def host():
            return "my host"

        def test_it(release, host):
            assert release in (1, 2) and host == "my host"
        """
    )
    elsewhere.runpytest().assert_outcomes(passed=2)


# The host of HOWTOs, and of everything else in a workspace.


def test_beside_the_howtos_host_is_the_one_of_testinfra(
    pytester: pytest.Pytester, root: Path
) -> None:
    write(root / "checks/test_mirror.py", ABOUT_HOST)
    result = pytester.runpytest("checks", "howtos/libre", "--hosts=local://", "-v")
    result.assert_outcomes(passed=1, skipped=4)
    assert "checks/test_mirror.py::test_host[local] PASSED" in said(result)
    assert "howtos/libre/test_libre.py::test_two[bookworm-amd64] SKIPPED" in said(result)


def test_a_conftest_of_the_howtos_may_build_upon_host(
    pytester: pytest.Pytester, root: Path
) -> None:
    conftest = """
        import pytest

        @pytest.fixture
        def phone(host):
            return host
    """
    write(root / "howtos/conftest.py", "\n".join(line[8:] for line in conftest.splitlines()))
    write(root / "howtos/sipsak/test_sipsak.py", "def test_phone(phone): pass")
    found = collect(pytester, "howtos/sipsak", "--release", "rc")
    assert found == ["howtos/sipsak/test_sipsak.py::test_phone[bookworm-amd64]"]
