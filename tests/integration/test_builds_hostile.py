"""Builds of somebody who wants more than a package: they see nothing and change nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.build.chroots import Base
from tests.integration.build_workspace import BuildWorkspace, made_in
from tests.integration.prepared_state import link_prepared

NAME = "hostile"
# Waits until dpkg-genchanges has described the files, and then changes them.
_LATE = """
( until [ -s ../hostile_1.0_amd64.changes ]; do :; done; cd ..; {command} ) >/dev/null 2>&1 &
"""


@pytest.fixture(scope="module")
def workspace(
    farm_state: Path, base_chroot: Base, tmp_path_factory: pytest.TempPathFactory
) -> BuildWorkspace:
    made = BuildWorkspace(tmp_path_factory.mktemp("builds"))
    link_prepared(farm_state, made.layout.root)
    return made


@pytest.fixture(autouse=True)
def nothing_else_stays(workspace: BuildWorkspace) -> Iterator[None]:
    yield
    assert workspace.processes() == []
    assert workspace.leftovers() == []


def look(workspace: BuildWorkspace, script: str) -> str:
    """Give what a build finds out; it goes on where a command fails."""
    workspace.write(NAME, f"set +e\n( {script} ) > made 2>&1; true")
    return made_in(workspace.build(NAME))


# What it sees.


def test_there_is_no_network_but_lo(workspace: BuildWorkspace) -> None:
    found = look(workspace, "cut -d: -f1 /proc/net/dev | tail -n +3; cat /proc/net/route")
    assert found.split()[0] == "lo"
    assert len(found.splitlines()) == 2  # and the heading of no routes


def test_servers_of_the_host_do_not_hear_it(workspace: BuildWorkspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        script = f"bash -c 'echo here > /dev/tcp/127.0.0.1/{port}' || echo refused"
        assert look(workspace, script).endswith("refused\n")
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_sockets_without_a_file_are_not_there(workspace: BuildWorkspace) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0farm-test")
        server.listen()
        assert "farm-test" not in look(workspace, "cat /proc/net/unix")


def test_no_file_of_the_host_is_there(workspace: BuildWorkspace) -> None:
    secret = workspace.root / "secret"
    secret.write_text("hidden")
    found = look(
        workspace,
        f"cat {secret}; ls -A /mnt /root /home /farm {workspace.root}; cat /etc/hostname",
    )
    assert "hidden" not in found
    assert str(workspace.root) not in found.replace(f"'{workspace.root}", "").replace(
        f"{secret}:", ""
    )
    assert "farm.toml" not in found


def test_no_process_of_the_host_is_there(workspace: BuildWorkspace) -> None:
    found = look(
        workspace, "ls /proc | grep '^[0-9]' | wc -l; cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
    )
    assert int(found.split()[0]) < 20
    assert "pytest" not in found
    assert str(Path(__file__).parents[2]) not in found


def test_the_first_process_tells_nothing(workspace: BuildWorkspace) -> None:
    found = look(workspace, "cat /proc/1/environ; ls /proc/1/fd /proc/1/root; cat /proc/1/cmdline")
    assert found.count("Permission denied") == 3
    assert found.rstrip("\0").endswith("farm")


def test_no_keys_are_there(workspace: BuildWorkspace) -> None:
    keys = workspace.layout.keys
    (keys / "rc").mkdir(parents=True, exist_ok=True)
    (keys / "rc/secret").write_text("hidden")
    found = look(workspace, f"cat {keys}/rc/secret; cat /proc/keys")
    assert "hidden" not in found
    rings = [line for line in found.splitlines() if "keyring" in line]
    assert all("_ses" in line and "empty" in line for line in rings)


def test_no_device_is_there(workspace: BuildWorkspace) -> None:
    found = look(workspace, "ls /dev; mknod disk b 254 0; mknod /dev/mem c 1 1")
    assert set(found.split("mknod")[0].split()) == {
        "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout",
        "tty", "urandom", "zero",
    }  # fmt: skip
    assert found.count("mknod:") == 2


# What it can change.


@pytest.mark.parametrize("path", [
    "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger",
    "/proc/sys/kernel/hostname", "/usr/bin/evil", "/etc/passwd", "/farm/source/evil",
])  # fmt: skip
def test_it_cannot_write(workspace: BuildWorkspace, path: str) -> None:
    found = look(workspace, f"echo 1 > {path} && echo WRITTEN")
    assert "WRITTEN" not in found
    assert any(why in found for why in ("ermission denied", "Read-only", "nonexistent"))


@pytest.mark.parametrize("command", [
    "mount -t tmpfs none /mnt", "umount /proc", "chroot /", "hostname evil", "kill -9 1",
    "unshare --mount true", "dmesg", "nsenter --target 1 --mount true",
])  # fmt: skip
def test_it_is_not_allowed(workspace: BuildWorkspace, command: str) -> None:
    assert "DONE" not in look(workspace, f"{command} && echo DONE")


def test_what_it_writes_outside_its_tree_is_gone(workspace: BuildWorkspace) -> None:
    script = (
        "ls /tmp /var/tmp /home/farm /dev/shm; touch /tmp/trace /home/farm/trace /dev/shm/trace"
    )
    look(workspace, script)
    assert "trace" not in look(workspace, f"{script} /var/tmp/trace")


def test_a_namespace_of_its_own_gives_it_nothing(workspace: BuildWorkspace) -> None:
    """It may be root in a namespace inside: tests of packages do that. It is nobody outside."""
    secret = workspace.root / "secret"
    secret.write_text("hidden")
    secret.chmod(0o600)
    script = (f"unshare --user --map-root-user --mount --pid --fork sh -c 'id -u; cat {secret}; "
              "echo 1 > /proc/sys/kernel/core_pattern && echo WRITTEN; "
              "mount -t ext4 /dev/vda /mnt && echo MOUNTED'")  # fmt: skip
    found = look(workspace, script)
    assert not {"hidden", "WRITTEN", "MOUNTED"} & set(found.split())


# What it gives back.


def late(command: str) -> str:
    return _LATE.format(command=command)


@pytest.mark.parametrize(("command", "why"), [
    ("ln -sf /etc/shadow hostile_1.0_amd64.deb", "cannot be taken out: it is a link"),
    ("ln -sf hostile_1.0_amd64.buildinfo hostile_1.0_amd64.deb", "it is a link"),
    ("rm hostile_1.0_amd64.deb; mkfifo hostile_1.0_amd64.deb", "is not a regular file"),
    ("rm hostile_1.0_amd64.deb; mkdir hostile_1.0_amd64.deb", "is not a regular file"),
    ("rm hostile_1.0_amd64.deb", "No such file or directory"),
    ("echo >> hostile_1.0_amd64.deb", "is not the file that the .changes file describes"),
])  # fmt: skip
def test_a_package_that_is_something_else(
    workspace: BuildWorkspace, command: str, why: str
) -> None:
    workspace.write(NAME, after=late(command))
    error, _ = workspace.fail(NAME)
    assert why in error.brief


def edited(command: str) -> str:
    """Change the .changes file in one step, as nobody may see half of it."""
    return late(
        f"sed '{command}' hostile_1.0_amd64.changes > new; mv new hostile_1.0_amd64.changes"
    )


@pytest.mark.parametrize(("command", "why"), [
    ("s, hostile_1.0_amd64.deb$, ../../etc/passwd,", "cannot be read"),
    ("s, hostile_1.0_amd64.deb$, /etc/passwd,", "cannot be read"),
    ("s, hostile_1.0_amd64.deb$, .hidden.deb,", "cannot be read"),
    ("s, hostile_1.0_amd64.deb$, log,", "which is not called as a package"),
    ("s, hostile_1.0_amd64.deb$, build.json,", "which is not called as a package"),
    ("/^Checksums-Sha256/d", "cannot be read"),
    ("s, hostile_1.0_amd64.deb$, hostile_1.0_amd64.changes,", "lists a file twice, or itself"),
    ("/buildinfo$/d", "left no .buildinfo file"),
])  # fmt: skip
def test_a_changes_file_that_lies(workspace: BuildWorkspace, command: str, why: str) -> None:
    workspace.write(NAME, after=edited(command))
    error, _ = workspace.fail(NAME)
    assert why in error.brief


@pytest.mark.parametrize(("command", "why"), [
    ("perl -e 'print qq(Checksums-Sha256:\\n);"
     " printf qq( %064d 1 f%d_1.deb\\n), $_, $_ for 1..20000' > new; "
     "mv new hostile_1.0_amd64.changes", "lists 20000 files, more than 10000"),
    ("truncate -s 32M new; mv new hostile_1.0_amd64.changes", "16777216 are allowed"),
    ("ln -sf /etc/passwd hostile_1.0_amd64.changes", "it is a link"),
])  # fmt: skip
def test_a_changes_file_that_is_none(workspace: BuildWorkspace, command: str, why: str) -> None:
    workspace.write(NAME, after=late(command))
    error, _ = workspace.fail(NAME)
    assert why in error.brief


def test_a_package_that_is_larger_than_the_disk_allows(workspace: BuildWorkspace) -> None:
    # It takes no room where it was made, and would take much where it is copied to.
    digest = "$(head -c 15M /dev/zero | sha256sum | cut -c 1-64)"
    made = (f"for n in 1 2 3; do truncate -s 15M ../x${{n}}_1.deb; done; d={digest}; "
            '(echo Checksums-Sha256:; for n in 1 2 3; do echo " $d 1 x${n}_1.deb"; done) '
            "> ../new\n")  # fmt: skip
    workspace.write(NAME, after=made + late("mv new hostile_1.0_amd64.changes"))
    error, _ = workspace.fail(NAME, build_disk="32 MiB")
    assert "x3_1.deb has 15728640 bytes" in error.brief


def test_a_package_that_is_no_package(workspace: BuildWorkspace) -> None:
    workspace.write(
        NAME,
        after="""
echo nonsense > ../hostile_1.0_amd64.deb
""",
    )
    error, _ = workspace.fail(NAME)
    assert "hostile_1.0_amd64.deb is not a proper binary package" in error.brief


@pytest.mark.parametrize(("field", "why"), [
    ("Architecture: arm64", "is for arm64, not bookworm-amd64"),
    ("Version: ../1", "is not a proper binary package"),
    ("Package: ../../evil", "is not a proper binary package"),
])  # fmt: skip
def test_a_package_with_strange_fields(workspace: BuildWorkspace, field: str, why: str) -> None:
    name = field.split(":")[0]
    workspace.write(
        NAME,
        after=f"""
mkdir raw; cd raw
sed 's,^{name}: .*,{field},' ../debian/tmp-hostile/DEBIAN/control > control
echo 2.0 > debian-binary
tar -czf control.tar.gz control; tar -czf data.tar.gz -T /dev/null
rm -f ../../hostile_1.0_amd64.deb
ar rc ../../hostile_1.0_amd64.deb debian-binary control.tar.gz data.tar.gz
""",
    )
    error, _ = workspace.fail(NAME)
    assert why in error.brief


def test_a_log_that_speaks_to_the_terminal(workspace: BuildWorkspace) -> None:
    workspace.write(NAME, r"printf '\033]0;evil\007\033[31merror: red\033[0m \033[6n\n'; exit 1")
    error, _ = workspace.fail(NAME)
    assert "error: red" in error.details
    assert "\x1b" not in str(error)
