"""A real network of libvirt's, with a bridge and dnsmasq, in namespaces that this test makes."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.run import run
from farm.machine.domain import DirectKernel
from tests.integration.test_hypervisor import direct as direct  # the kernel that counts

ROOT = Path(__file__).parents[2]
NAMESPACES = ("unshare", "--user", "--map-root-user", "--map-auto", "--mount", "--net", "--pid",
              "--fork", "--kill-child", "--mount-proc")  # fmt: skip


@pytest.mark.skipif(
    not os.access("/dev/net/tun", os.R_OK | os.W_OK), reason="needs /dev/net/tun for a bridge"
)
def test_machines_boot_from_a_network_of_libvirts(tmp_path: Path, direct: DirectKernel) -> None:
    script = ROOT / "tests/integration/libvirt_namespace.sh"
    inside = ROOT / "tests/integration/inside_libvirt_network.py"
    words = ["-q", "-p", "no:cacheprovider", "-p", "no:farm", f"--basetemp={tmp_path / 'inside'}"]
    kernel = f"{direct.kernel} {direct.initrd} {direct.cmdline}"
    done = run(
        [*NAMESPACES, script, tmp_path, sys.executable, "-m", "pytest", *words, inside],
        cwd=ROOT, timeout=timedelta(minutes=10), env={"FARM_TEST_KERNEL": kernel}, ok=None,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
