"""Floor 4: the libvirt daemon of this user: where it is, and how it starts.

Everybody has one of their own, ``qemu:///session``, which the library starts when it is needed and
which ends by itself two minutes after its last machine. Only for root the library takes that name
for the daemon of the system, which runs machines as yet another user and which may not be there.
So the farm starts root's: in a user namespace, where root is somebody ordinary.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from farm.base.errors import FarmError, FarmFault, WaitTimeout
from farm.base.run import run
from farm.base.waiting import wait_for

_SECONDS_OF_LIFE = 120  # what the library says too when it starts a daemon
_START = timedelta(seconds=30)
_ANSWER = timedelta(seconds=5)
_TAIL = 2000
_PAUSE = timedelta(seconds=0.1)
_INSIDE_ID = "1"  # not root's; libvirt wants one that /etc/passwd knows
_XDG = ("XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
_KEEPALIVE_SECONDS = 10
_KEEPALIVE_COUNT = 12

SYSTEM = "qemu:///system"
"""The address of the system's daemon."""

_once = threading.Lock()
_loaded: list[Any] = []


def load_libvirt() -> Any:
    """Give libvirt's module, silent, with a thread that takes its events.

    :raises FarmFault: when it is not installed.
    """
    with _once:
        if not _loaded:
            try:
                libvirt = importlib.import_module("libvirt")
            except ImportError as error:
                raise FarmFault(
                    "Machines need libvirt-python, which is not installed here.",
                    details=str(error),
                    hint="Install the farm with its extra: pip install '.[machine]' in its clone.",
                ) from error
            libvirt.registerErrorHandler(lambda _context, _error: None, None)
            libvirt.virEventRegisterDefaultImpl()
            threading.Thread(
                target=_take_events, args=(libvirt,), name="libvirt events", daemon=True
            ).start()
            _loaded.append(libvirt)
        return _loaded[0]


def _take_events(libvirt: Any) -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


def connect(*, of_system: bool = False) -> Any:
    """Give a connection to this user's daemon, which is started if it does not run.

    :param of_system: the system's daemon instead, which has to run; root may talk to it, and who
        is in the group libvirt.
    :raises FarmFault: when there is none, or it does not answer.
    """
    libvirt = load_libvirt()
    troubles: list[Exception] = []

    def look() -> Any:
        try:
            return _open(libvirt, SYSTEM if of_system else address())
        except libvirt.libvirtError as error:
            troubles.append(error)
            return None

    connection = look()
    if connection is None and os.geteuid() == 0 and not of_system:
        try:
            _start_for_root()
        except FarmError as error:  # perhaps only because another process was faster
            troubles.append(error)
        with contextlib.suppress(WaitTimeout):
            connection = wait_for(look, what="libvirt's daemon", timeout=_ANSWER, pause=_PAUSE)
    if connection is None:
        details = "\n".join(dict.fromkeys(map(str, troubles)))
        raise _no_system_daemon(details) if of_system else _no_daemon(details)
    return connection


def _open(libvirt: Any, where: str) -> Any:
    connection = libvirt.open(where)
    connection.setKeepAlive(_KEEPALIVE_SECONDS, _KEEPALIVE_COUNT)
    return connection


def _no_daemon(details: str) -> FarmFault:
    return FarmFault(
        "libvirt's daemon does not answer, so no machine can run.", details=details,
        hint="See that the packages libvirt-daemon and libvirt-daemon-driver-qemu are installed; "
        f"what the daemon says is in {_cache_dir() / 'libvirt'}.",
    )  # fmt: skip


def _no_system_daemon(details: str) -> FarmFault:
    return FarmFault(
        "libvirt's daemon of the system does not answer, to which networks belong.",
        details=details,
        hint="Start libvirtd, and see that you may talk to it: virsh -c qemu:///system list; or "
        'let machines use [machine] network = "user".',
    )


@contextlib.contextmanager
def asking(trouble: str) -> Iterator[None]:
    """Tell what libvirt does not do in a sentence.

    :raises FarmFault: when libvirt raises something in the block.
    """
    try:
        yield
    except load_libvirt().libvirtError as error:
        message = str(error.get_error_message() or error).strip().rstrip(".")
        raise FarmFault(f"{trouble}: libvirt says: {message}.") from error


def address() -> str:
    """Give the address of this user's daemon, for whoever wants to talk to it with virsh(1)."""
    if os.geteuid() != 0:
        return "qemu:///session"
    return f"qemu+unix:///session?socket={_runtime_dir() / 'libvirt' / 'libvirt-sock'}"


def tail_of_log(name: str, *, of_system: bool = False) -> str:
    """Give what QEMU has said last about a machine of some name."""
    log = _log(name, of_system=of_system)
    return log.read_text(errors="replace")[-_TAIL:] if log.is_file() else ""


def remove_log(name: str, *, of_system: bool = False) -> None:
    """Remove what QEMU has said about a machine: libvirt would keep it for ever."""
    with contextlib.suppress(PermissionError):  # the system's are kept by whoever runs it
        _log(name, of_system=of_system).unlink(missing_ok=True)


def _log(name: str, *, of_system: bool) -> Path:
    folder = Path("/var/log/libvirt/qemu") if of_system else _cache_dir() / "libvirt/qemu/log"
    return folder / f"{name}.log"


def _cache_dir() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _runtime_dir() -> Path:
    """Give the folder of sockets as libvirt finds it, through g_get_user_runtime_dir()."""
    return Path(os.environ.get("XDG_RUNTIME_DIR") or _cache_dir())


def _start_for_root() -> None:
    """Start the daemon; returns when it listens.

    :raises FarmError: when it ends at once: because it is there already, for example.
    """
    run(
        ["unshare", "--user", f"--map-user={_INSIDE_ID}", f"--map-group={_INSIDE_ID}",
         "libvirtd", "--daemon", f"--timeout={_SECONDS_OF_LIFE}"],
        timeout=_START,
        env={"HOME": str(Path.home())}
        | {name: os.environ[name] for name in _XDG if name in os.environ},
    )  # fmt: skip
