"""A customer's machine: plain Debian, whose apt installs from production and answers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.base.run import Result
from farm.build.chroots import Base
from farm.place.overlay import Bind, Overlay, new_name
from tests.integration.release_runs import RUN, Ran
from tests.integration.release_workspace import DemoWorkspace

# As the comment in the .sources file of a repository says it, and nothing else is configured.
CONFIGURE = """
set -eu
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/apt/trusted.gpg*
cp /farm/conf/keyring.gpg /usr/share/keyrings/demo-production-keyring.gpg
sed "s|^URIs:.*|URIs: $1|" /farm/candidate/demo-production.sources \\
    > /etc/apt/sources.list.d/demo-production.sources
"""
# Any static server will do. The network of this place is its own, and has nothing but lo.
SERVE = """
/farm/conf/busybox httpd -f -p 127.0.0.1:8080 -h /farm/candidate &
for try in $(seq 100); do
    /farm/conf/busybox wget -q -O /dev/null http://127.0.0.1:8080/repository.json && break
    sleep 0.1
done
"""
INSTALL = """
apt-get -q -o APT::Sandbox::User=root -o APT::Update::Error-Mode=any update
apt-get -q -y -o APT::Sandbox::User=root install demo
demo --version
demo
"""
FILE, HTTP = "file:/farm/candidate", "http://127.0.0.1:8080/"


@pytest.fixture(scope="module")
def production(
    tmp_path_factory: pytest.TempPathFactory, first_release: tuple[DemoWorkspace, Ran]
) -> Iterator[DemoWorkspace]:
    """A workspace whose version 1.0 is in production."""
    workspace = first_release[0].copy_to(tmp_path_factory.mktemp("production") / "demo")
    workspace.release("--promote", "production").expect()
    yield workspace
    workspace.remove()


@pytest.fixture
def client(production: DemoWorkspace, base_chroot: Base) -> Iterator[Overlay]:
    """A plain chroot that sees what a web server would serve, and nothing of the farm."""
    layout = production.layout
    conf = layout.root / "client"
    conf.mkdir(exist_ok=True)
    conf.chmod(0o755)
    shutil.copy(shutil.which("busybox") or "/bin/busybox", conf / "busybox")
    shutil.copy(production.tree("production") / "demo-production-keyring.gpg",
                conf / "keyring.gpg")  # fmt: skip
    overlay = Overlay(
        layout.environments / new_name("client"), layers=[layout.trees / base_chroot.tree.name],
        binds=[Bind(production.tree("production"), "/farm/candidate"), Bind(conf, "/farm/conf")],
    ).create()  # fmt: skip
    yield overlay
    overlay.remove()


def run_in(client: Overlay, *scripts: str, address: str) -> Result:
    """Run shell scripts as root, one after the other."""
    argv = ["sh", "-c", "".join(scripts), "sh", address]
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    return client.run(argv, timeout=RUN, env=env, ok=None)


@pytest.mark.parametrize(("address", "serve"), [(FILE, ""), (HTTP, SERVE)], ids=["file", "http"])
def test_apt_installs_the_release_from_production(
    client: Overlay, address: str, serve: str
) -> None:
    done = run_in(client, CONFIGURE, serve, INSTALL, address=address)
    assert done.returncode == 0, done.tail
    assert done.stdout.splitlines()[-3:] == ["demo 1.0", "Good day.", "Good day."]
    installed = client.run(
        ["dpkg-query", "--show", "--showformat", "${Package} ${Version}\n", "demo*"], timeout=RUN
    ).stdout.splitlines()
    assert installed == ["demo 1.0", "demo-choir 1.0", "demo-speaker 1.0"]


def test_apt_refuses_production_under_another_key(
    client: Overlay, production: DemoWorkspace
) -> None:
    keyring = production.layout.root / "client" / "keyring.gpg"
    shutil.copy(production.tree("rc") / "demo-rc-keyring.gpg", keyring)
    done = run_in(client, CONFIGURE, INSTALL, address=FILE)
    assert done.returncode != 0
    assert "NO_PUBKEY" in done.stdout + done.stderr


def test_apt_refuses_what_was_changed_on_the_way(
    client: Overlay, production: DemoWorkspace
) -> None:
    tree = production.tree("production")
    deb: Path = next(tree.glob("pool/main/d/demo-choir/*.deb"))
    text = deb.read_bytes()
    deb.unlink()
    deb.write_bytes(text[:-1] + bytes([text[-1] ^ 1]))
    try:
        done = run_in(client, CONFIGURE, SERVE, INSTALL, address=HTTP)
        assert done.returncode != 0
        assert "Hash Sum mismatch" in done.stdout + done.stderr
    finally:
        deb.unlink()
        deb.write_bytes(text)
