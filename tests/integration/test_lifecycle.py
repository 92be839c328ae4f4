"""Packages that come and go: real apt and dpkg, and small packages with a fault each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.demo_packages import MAKE
from tests.integration.release_runs import Ran
from tests.integration.release_workspace import TARGET, DemoWorkspace

GOOD = """\
mkdir -p /var/lib/NAME
update-alternatives --install /usr/bin/demo-say demo-say /usr/bin/NAME 10
"""
GOOD_END = """\
if [ "$1" = remove ]; then update-alternatives --remove demo-say /usr/bin/NAME; fi
"""
GOOD_REMAINS = """\
if [ "$1" = purge ]; then rm -rf /var/lib/NAME; fi
"""


def script(workspace: DemoWorkspace, name: str, **scripts: str) -> None:
    """Let a package have maintainer scripts, and a conffile that says in which version."""
    text = MAKE[name] + (
        'mkdir -p built/etc built/DEBIAN\necho "version=$2" > "built/etc/$1.conf"\n'
        'echo "/etc/$1.conf" > built/DEBIAN/conffiles\n'
    )
    for which, content in scripts.items():
        body = content.replace("NAME", name)
        text += f"cat > built/DEBIAN/{which} <<'END'\n#!/bin/sh\nset -e\n{body}END\n"
        text += f"chmod 755 built/DEBIAN/{which}\n"
    workspace.put(f"packages/{name}/debian/make.sh", text)


def make_version(workspace: DemoWorkspace, version: str) -> None:
    """Give some packages another version."""
    workspace.write_package("demo-choir", version)
    workspace.write_package("demo-clock", version)
    workspace.write_package("demo", version, **{"demo-choir": version})


@pytest.fixture(scope="module")
def released(
    tmp_path_factory: pytest.TempPathFactory, first_release: tuple[DemoWorkspace, Ran]
) -> Iterator[tuple[DemoWorkspace, Ran]]:
    """A workspace with packages of all kinds in production, and how their release ended."""
    workspace = first_release[0].copy_to(tmp_path_factory.mktemp("lifecycle") / "demo")
    workspace.edit("farm.toml", 'gates = ["build", "repository"]',
                   'gates = ["build", "repository", "lifecycle"]')  # fmt: skip
    make_version(workspace, "1.1")
    script(workspace, "demo-clock", postinst=GOOD, prerm=GOOD_END, postrm=GOOD_REMAINS)
    # It writes its own conffile, which nobody notices before there is another version.
    script(workspace, "demo-choir", postinst="echo volume=11 >> /etc/NAME.conf\n")
    yield workspace, workspace.release("--promote", "production")
    workspace.remove()


@pytest.fixture(scope="module")
def upgraded(released: tuple[DemoWorkspace, Ran]) -> Ran:
    """How the release of the next versions ended, which have faults."""
    workspace, ran = released
    ran.expect()
    make_version(workspace, "1.2")
    script(workspace, "demo-clock", postinst="mkdir /var/lib/NAME.2\necho 1 > /var/lib/NAME.2/1\n")
    script(workspace, "demo-choir")
    script(workspace, "demo", postinst="sleep 600 < /dev/null > /dev/null 2>&1 &\n")
    return workspace.release()


def notes(ran: Ran, package: str) -> str:
    return ran.items[f"test_upgrade[{package}@{TARGET}]"].properties.get("note", "")


def test_packages_in_order_pass_and_the_first_release_has_nothing_to_upgrade(
    released: tuple[DemoWorkspace, Ran],
) -> None:
    ran = released[1].expect()
    for check in ("purge", "reinstall", "upgrade"):
        assert ran.items[f"test_{check}[demo-clock@{TARGET}]"].outcome == "passed"
    assert notes(ran, "demo-clock") == "first release of demo-clock"


def test_what_has_a_fault_fails_and_nothing_else(upgraded: Ran) -> None:
    ran = upgraded.expect(1)
    assert ran.having("failed").keys() - {"test_publish[rc]"} == {
        f"test_{check}@{TARGET}]"
        for check in ("purge[demo-clock", "reinstall[demo-clock", "upgrade[demo-choir",
                      "upgrade[demo", "purge[demo")
    }  # fmt: skip


def test_a_file_that_is_left_is_shown(upgraded: Ran) -> None:
    assert (
        f"demo-clock@{TARGET} was purged, and the file system is not as before: "
        "left: /var/lib/demo-clock.2 (folder 755 0:0)."
    ) in upgraded.output
    assert "Its postrm must remove on purge what dpkg does not know of" in upgraded.output


def test_a_script_that_succeeds_only_once_is_named(upgraded: Ran) -> None:
    assert f"demo-clock@{TARGET} fails at this step: install again." in upgraded.output
    assert "mkdir: cannot create directory" in upgraded.output
    assert "Look at debian/postinst: it must succeed every time" in upgraded.output


def test_a_question_about_a_conffile_is_an_error(upgraded: Ran) -> None:
    assert f"demo-choir@{TARGET} fails at this step: upgrade from 1.1." in upgraded.output
    assert "dpkg asks what shall become of a conffile" in upgraded.output


def test_a_process_that_runs_on_is_named(upgraded: Ran) -> None:
    told = f"demo@{TARGET} leaves processes running when it is gone: sleep."
    assert told in upgraded.output


def test_a_conffile_that_is_new_and_changed_makes_no_trouble(upgraded: Ran) -> None:
    assert upgraded.items[f"test_upgrade[demo-clock@{TARGET}]"].outcome == "passed"
    assert notes(upgraded, "demo-clock") == "upgraded from 1.1"


def test_what_has_not_changed_is_not_tried_again(upgraded: Ran) -> None:
    for check in ("purge", "reinstall"):
        assert upgraded.items[f"test_{check}[demo-words@{TARGET}]"].is_recorded
    assert notes(upgraded, "demo-words") == "users have 1.0, which is the same build"
