"""Floor 2: the text of a private apt configuration, and what of the host's goes into it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from farm.base.errors import InputError
from farm.base.run import run
from farm.model.target import Target
from farm.source.mirror import Mirror

Setting = tuple[str, str]

_TIMEOUT = timedelta(seconds=30)
# How to get through to an archive from this host: apt-transport-http(1), apt-transport-https(1).
_TRANSPORT = re.compile(
    r"Acquire::https?::(?:\S*::)?"
    r"(?:Proxy(?:-?Auto-?Detect)?|CaInfo|CaPath|SslCert|SslKey|Verify-Peer|Verify-Host)(?:::\S+)?",
    re.IGNORECASE,
)
# How old a state of the archive may be: apt.conf(5). It goes with the mirror that the host uses.
_VALIDITY = re.compile(
    r"Acquire::(?:Check-Valid-Until|Check-Date|M(?:in|ax)-ValidTime|Max-FutureTime)(?:::\S+)?",
    re.IGNORECASE,
)


def host_settings(*, of_host: bool) -> tuple[Setting, ...]:
    """Read what this host's apt needs to reach its archives: proxies and certificates.

    :param of_host: whether the archive is the host's own, so that the host's word on how old a
        state may be (a mirror that lags, a snapshot of the past) holds too.
    """
    dump = run(["apt-config", "dump", "--no-empty", "--format", "%f%N%v%n"], timeout=_TIMEOUT)
    return tuple(pick_settings(dump.stdout.splitlines(), of_host=of_host))


def pick_settings(lines: Iterable[str], *, of_host: bool) -> Iterable[Setting]:
    """Pick from lines of a name, a tab and a value; see :func:`host_settings`."""
    for line in lines:
        name, _, value = line.partition("\t")
        wanted = _TRANSPORT.fullmatch(name) or (of_host and _VALIDITY.fullmatch(name))
        if wanted and '"' not in value:
            yield name, value


def render_configuration(folder: Path, *, target: Target, settings: Iterable[Setting] = ()) -> str:
    """Write the apt.conf(5) of a folder that holds lists, cache, sources and status.

    Given as ``APT_CONFIG`` it keeps apt from reading anything below ``/etc/apt`` or ``/var``.
    APT::Sandbox::User is root so that apt neither changes users nor owners: the state folder need
    not be readable to others, and an ordinary user cannot change anyway.

    :raises InputError: when the folder's name cannot be written in such a file.
    """
    if '"' in str(folder) or not str(folder).isprintable():
        raise InputError(f"apt cannot work in the folder {str(folder)!r}: its name has a quote.")
    nothing = "/dev/null"
    values = [
        ("APT::Architecture", target.architecture),
        ("APT::Architectures", target.architecture),
        ("APT::Sandbox::User", "root"),
        ("APT::Update::Error-Mode", "any"),
        ("APT::Get::Assume-Yes", "true"),
        ("Acquire::Languages", "none"),
        ("Acquire::PDiffs", "false"),
        ("Acquire::GzipIndexes", "true"),
        ("Acquire::Retries", "2"),
        ("Acquire::http::Timeout", "30"),
        ("Acquire::https::Timeout", "30"),
        *((f"Dir::Etc::{part}", nothing) for part in _PARTS),
        ("Dir::Etc::sourcelist", str(folder / "farm.sources")),
        ("Dir::State", str(folder)),
        ("Dir::State::lists", str(folder / "lists")),
        ("Dir::State::status", str(folder / "status")),
        ("Dir::Cache", str(folder / "cache")),
        ("Dir::Log", str(folder / "log")),
        *settings,
    ]
    return "".join(f'{name} "{value}";\n' for name, value in values)


_PARTS = (
    "main", "parts", "sourceparts", "trusted", "trustedparts", "preferences", "preferencesparts",
    "netrc", "netrcparts",
)  # fmt: skip


def render_sources(mirror: Mirror) -> str:
    """Write the private sources(5) of a mirror, binary and source packages.

    ``file:`` becomes ``copy:``, so that lists and packages are copies, not links into a folder
    that its owner may change at any time.
    """
    return "\n".join(
        f"Types: deb deb-src\n"
        f"URIs: {re.sub('^file:', 'copy:', suite.uri)}\n"
        f"Suites: {suite.name}\n"
        f"Components: {' '.join(suite.components)}\n"
        f"Signed-By: {mirror.keyring}\n"
        for suite in mirror.suites
    )


def render_sources_list(mirror: Mirror, *, keyring: Path | None = None) -> str:
    """Write the ``/etc/apt/sources.list`` for a chroot, binary packages only.

    :param keyring: where the keys are inside the chroot, if not where they are on this host.
    """
    return "".join(
        f"deb [signed-by={keyring or mirror.keyring}] {suite.uri} {suite.name}"
        f" {' '.join(suite.components)}\n"
        for suite in mirror.suites
    )
