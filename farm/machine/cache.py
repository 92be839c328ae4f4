"""Floor 4: the cache through which machines reach the distribution's archive: apt-cacher-ng(8).

A machine verifies what it installs by itself, as any other does. Here it is only kept, so that the
next machine has it at once and the mirror gives everything once.
"""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from farm.base.errors import FarmFault, WaitTimeout
from farm.base.files import temporary
from farm.base.service import Service, serving
from farm.base.waiting import wait_for

_START = timedelta(seconds=20)
_SUPPORT = "/usr/lib/apt-cacher-ng"
_PORTS = range(20000, 32768)


@contextlib.contextmanager
def serve_cache(folder: Path, address: str = "127.0.0.1") -> Iterator[int]:
    """Run a cache on a free port for as long as the block runs; gives the port.

    :param folder: where it keeps what it has fetched, and its logs.
    :param address: of this host, at which it listens.
    :raises FarmFault: when it does not start.
    """
    for name in ("content", "logs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with temporary(folder / "conf") as conf:  # several may run at once, each on its own port
        port = _free_port(address)
        (conf / "acng.conf").write_text(_configuration(folder, address, port))
        argv = ["apt-cacher-ng", "-c", str(conf), "ForeGround=1"]
        with serving(argv, log=folder / "logs" / "service.log") as service:
            _wait(service, address, port)
            yield port


def _free_port(address: str) -> int:
    """Give a port that nobody listens on now; apt-cacher-ng takes none above 32767."""
    for port in random.sample(_PORTS, 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((address, port))
            return port
    raise FarmFault(f"No port is free at {address} for apt-cacher-ng.")


def _configuration(folder: Path, address: str, port: int) -> str:
    # VfileUseRangeOps: or it may mix the old and the new state of an index.
    return f"""\
CacheDir: {folder / "content"}
LogDir: {folder / "logs"}
SupportDir: {_SUPPORT}
BindAddress: {address}
Port: {port}
VfileUseRangeOps: 0
ExThreshold: 30
"""


def _wait(service: Service, address: str, port: int) -> None:
    def answers() -> bool:
        if not service.is_running:
            raise FarmFault("apt-cacher-ng has ended at once.", details=service.tail)
        with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
            return True
        return False

    try:
        wait_for(answers, what="The start of apt-cacher-ng", timeout=_START)
    except WaitTimeout as error:
        raise FarmFault(
            f"apt-cacher-ng does not answer on port {port}.", details=service.tail
        ) from error
