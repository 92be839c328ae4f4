"""Floor 1: the table ``[machine]`` of farm.toml and those in it, each value checked by itself."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, StrictInt

from farm.base.errors import InputError
from farm.config.choices import Boot, Firmware, InstallerKind
from farm.config.values import (
    PathText,
    Table,
    Timeout,
    choice,
    distinct,
    form,
    some,
    text,
)
from farm.model.names import check_package
from farm.model.sizes import parse_size

_LEAST_MEMORY = 512 * 2**20
_LEAST_DISK = 2 * 2**30
_LEAST_PARTITION = 2**20
BOOTS = {Firmware.BIOS: (Boot.IPXE, Boot.PXELINUX), Firmware.UEFI: (Boot.GRUB,)}
"""What boots from the network, by firmware; the first one unless something else is said."""

_LISTEN = re.compile(r"(tcp|udp)/([1-9][0-9]{0,4})")


def _read_memory(value: str) -> int:
    return _at_least(value, _LEAST_MEMORY, "512 MiB")


def _read_disk(value: str) -> int:
    return _at_least(value, _LEAST_DISK, "2 GiB")


def _at_least(value: str, least: int, words: str) -> int:
    size = parse_size(value)
    if size < least:
        raise InputError(f"{value!r} is too little: a machine needs {words}.")
    return size


def _read_listen(value: str) -> str:
    match = _LISTEN.fullmatch(value)
    if not match or int(match[2]) > 65535:
        raise InputError(f"{value!r} is no port: it is written like 'tcp/80' or 'udp/5060'.")
    return value


def _read_size(value: str) -> tuple[int, int | None]:
    """Read ``1 GiB``, ``1 GiB-`` (at least) or ``1 GiB-2 GiB``."""
    least, dash, most = value.partition("-")
    first = parse_size(least)
    last = first if not dash else parse_size(most) if most.strip() else None
    if last is not None and last < first:
        raise InputError(f"{value!r} ends before it begins.")
    if first < _LEAST_PARTITION:
        raise InputError(f"{value!r} is too little: a partition has 1 MiB at least.")
    return first, last


def _read_mount(value: str) -> str:
    parts = value.split("/")
    clean = value.startswith("/") and not set(parts[1:]) & {"", ".", ".."}
    if value in ("swap", "/") or (clean and re.fullmatch(r"[A-Za-z0-9._/-]+", value)):
        return value
    raise InputError(f"{value!r} is no mount point: an absolute path, or 'swap'.")


def _read_network(value: str) -> str:
    if value != "user" and not re.fullmatch(r"libvirt:[A-Za-z0-9_][A-Za-z0-9_.-]*", value):
        raise InputError(f"{value!r} is no network for machines: it is 'user', or 'libvirt:NAME'.")
    return value


def _read_web_path(value: str) -> str:
    if not re.fullmatch(r"/[!-~]*", value):
        raise InputError(f"{value!r} is no path of a web page: it begins with '/'.")
    return value


def _read_page_text(value: str) -> str:
    rest = value.replace("{version}", "")
    if not value.strip() or "{" in rest or "}" in rest:
        raise InputError(
            f"{value!r} is no text that a page can show; of braces only {{version}} is allowed."
        )
    return value


_Package = Annotated[str, text(check_package)]
# systemd.unit(5): NAME or NAME@INSTANCE; systemctl takes what begins with '-' for an option.
_Unit = Annotated[str, form("a unit of systemd",
                            r"(?=.{1,255}$)[A-Za-z0-9_:\\][A-Za-z0-9_:.\\-]*"
                            r"(@[A-Za-z0-9_:\\-][A-Za-z0-9_:.\\-]*)?",
                            "such as ipbx.service")]  # fmt: skip
# setlocale(3): language[_territory][.codeset]
_Locale = Annotated[str, form("a locale", r"[A-Za-z]{1,12}(_[A-Z]{2})?(\.[A-Za-z0-9-]+)?",
                              "such as C.UTF-8 or de_DE.UTF-8")]  # fmt: skip
_Zone = Annotated[str, form("a time zone", r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*",
                            "such as Etc/UTC or Europe/Paris")]  # fmt: skip


class PageTable(Table):
    """The table ``[machine.page]``."""

    text: Annotated[str, text(_read_page_text)]
    path: Annotated[str, text(_read_web_path)] = "/"
    port: StrictInt = Field(default=80, ge=1, le=65535)
    package: _Package | None = None


class PartitionTable(Table):
    """A table ``[[machine.partition]]``."""

    mount: Annotated[str, text(_read_mount)]
    size: Annotated[tuple[int, int | None], text(_read_size)]


class MachineTable(Table):
    """The table ``[machine]``."""

    packages: Annotated[tuple[_Package, ...], AfterValidator(some)]
    installer: Annotated[InstallerKind, choice(InstallerKind)] = InstallerKind.FAI
    firmware: Annotated[Firmware, choice(Firmware)] = Firmware.BIOS
    boot: Annotated[Boot, choice(Boot)] | None = None
    network: Annotated[str, text(_read_network)] = "user"
    memory: Annotated[int, text(_read_memory)] = 2**30
    cpus: StrictInt = Field(default=2, ge=1, le=64)
    disk: Annotated[int, text(_read_disk)] = 4 * 2**30
    partition: tuple[PartitionTable, ...] = ()
    locale: _Locale = "C.UTF-8"
    timezone: _Zone = "Etc/UTC"
    authorized_keys: Annotated[tuple[PathText, ...], AfterValidator(distinct)] = ()
    folder: PathText | None = None
    services: Annotated[tuple[_Unit, ...], AfterValidator(distinct)] = ()
    listen: Annotated[tuple[Annotated[str, text(_read_listen)], ...],
                      AfterValidator(distinct)] = ()  # fmt: skip
    page: PageTable | None = None
    removable: Annotated[tuple[_Package, ...], AfterValidator(distinct)] = ()
    timeout: Timeout = timedelta(minutes=30)


NESTED: dict[str, type[Table]] = {"page": PageTable, "partition": PartitionTable}
"""Tables inside of ``[machine]``."""
