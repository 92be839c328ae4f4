"""Floor 2: where a distribution's archive is, by address or by what this host's apt uses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from debian.deb822 import Deb822

from farm.base.errors import InputError

ARCHIVE_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_HOST = "host"
_ETC = Path("/etc/apt")
_SCHEMES = ("http", "https", "file")
# sources.list(5), one-line style: deb [ option=value ... ] uri suite [component ...]
_LINE = re.compile(r"(?P<type>deb|deb-src)\s+(?:\[(?P<options>[^]]*)\]\s*)?(?P<rest>\S.*)")


@dataclass(frozen=True)
class Suite:
    """One suite of an archive: ``bookworm`` or ``bookworm-security``, below a base address."""

    uri: str
    name: str
    components: tuple[str, ...] = ("main",)


@dataclass(frozen=True)
class Mirror:
    """All that apt needs to know about a distribution's archive.

    :param suites: the distribution itself first, then its security updates if there are any.
    :param keyring: the keys, at least one of which must have signed each suite.
    :param of_host: whether it was taken from this host's own apt sources.
    """

    suites: tuple[Suite, ...]
    keyring: Path = ARCHIVE_KEYRING
    of_host: bool = False


@dataclass(frozen=True)
class _Entry:
    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str

    @property
    def rank(self) -> int:
        """How likely this is the distribution's own archive: the lower, the more."""
        if Path(self.signed_by).name.startswith("debian-archive-"):
            return 0
        return 2 if self.signed_by else 1


def find_mirror(
    mirror: str,
    *,
    distribution: str,
    suites: tuple[str, ...] = (),
    security: str = "",
    keyring: Path | None = None,
    components: tuple[str, ...] = ("main",),
) -> Mirror:
    """Find a distribution's archive.

    :param mirror: ``host`` for what this host's own apt uses, or a base address.
    :param suites: which ones; empty for the distribution and what the host lays over it.
    :param security: the base address of the security suite; empty for none, or the host's.
    :param keyring: the keys to trust; Debian's own, or those the host's sources name, when None.
    :raises InputError: for an address that is not http, https or file, or when the
        host's sources lack the distribution.
    """
    if mirror == _HOST:
        found = host_mirrors(distribution, suites=suites, components=components)
        return Mirror(found.suites, keyring or found.keyring, of_host=True)
    address = _check_address(mirror)
    found_suites = [Suite(address, name, components) for name in suites or (distribution,)]
    if security:
        name = f"{distribution}-security"
        found_suites.append(Suite(_check_address(security), name, components))
    return Mirror(tuple(found_suites), keyring or ARCHIVE_KEYRING)


def host_mirrors(
    distribution: str, *, suites: tuple[str, ...] = (), etc: Path = _ETC,
    components: tuple[str, ...] = ("main",),
) -> Mirror:  # fmt: skip
    """Take a distribution's archive from the apt sources of this host: sources.list(5).

    Several entries may offer a suite of that name, because vendors like to call theirs
    ``bookworm`` too. An entry signed by Debian's keys goes before one without ``Signed-By``, and
    that one before any other; among equals the first wins.

    :param suites: which ones; empty for the distribution, and its updates and security updates
        where the host has them.
    :param etc: where the host's apt keeps its configuration.
    :raises InputError: when no enabled entry has the distribution, or one of the suites.
    """
    entries = list(_entries(etc))
    usual = (distribution, f"{distribution}-updates", f"{distribution}-security")
    found = {name: _best(entries, suite=name) for name in suites or usual}
    missing = [name for name in suites or (distribution,) if found[name] is None]
    if missing:
        raise _no_suite(missing[0], entries)
    taken = [entry for entry in found.values() if entry]
    keyring = Path(taken[0].signed_by) if taken[0].signed_by else ARCHIVE_KEYRING
    return Mirror(tuple(Suite(each.uri, each.suite, components) for each in taken), keyring,
                  of_host=True)  # fmt: skip


def _no_suite(name: str, entries: list[_Entry]) -> InputError:
    others = sorted({f"{entry.suite} at {entry.uri}" for entry in entries if entry.rank < 2})
    return InputError(
        f"The apt sources of this host have no suite {name!r}.",
        details=f"They have: {', '.join(others) or 'nothing that could be used'}.",
        hint='Give the address of an archive that has it, instead of mirror = "host".',
    )


def _best(entries: list[_Entry], *, suite: str) -> _Entry | None:
    fitting = [entry for entry in entries if entry.suite == suite and "main" in entry.components]
    return min(fitting, key=lambda entry: entry.rank, default=None)


def _entries(etc: Path) -> Iterator[_Entry]:
    parts = etc / "sources.list.d"
    for path in sorted(parts.glob("*.sources")):
        with path.open(encoding="utf-8", errors="replace") as stream:
            for paragraph in Deb822.iter_paragraphs(stream, use_apt_pkg=False):
                yield from _stanza(paragraph)
    for path in (etc / "sources.list", *sorted(parts.glob("*.list"))):
        if path.is_file():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                yield from _line(line)


def _stanza(fields: Deb822) -> Iterator[_Entry]:
    """Read one deb822-style source; each of its suites is an entry."""
    enabled = fields.get("Enabled", "yes").strip().lower() not in {"no", "false", "off", "0"}
    if not enabled or "deb" not in fields.get("Types", "").split():
        return
    addresses = [uri for uri in fields.get("URIs", "").split() if _is_address(uri)]
    for suite in fields.get("Suites", "").split() if addresses else ():
        components = tuple(fields.get("Components", "").split())
        yield _Entry(addresses[0], suite, components, _keyring(fields.get("Signed-By", "")))


def _line(text: str) -> Iterator[_Entry]:
    """Read one line of the one-line style."""
    match = _LINE.fullmatch(text.partition("#")[0].strip())
    if match is None or match["type"] != "deb":
        return
    options = dict(word.partition("=")[::2] for word in (match["options"] or "").split())
    words = match["rest"].split()
    if len(words) > 2 and _is_address(words[0]):
        signed_by = _keyring(options.get("signed-by", ""))
        yield _Entry(words[0], words[1], tuple(words[2:]), signed_by)


def _keyring(signed_by: str) -> str:
    """Give the keyring file that a ``Signed-By`` names; fingerprints and embedded keys are not."""
    words = signed_by.replace(",", " ").split()
    return next((word for word in words if word.startswith("/")), "")


def _is_address(text: str) -> bool:
    try:
        return urlsplit(text).scheme in _SCHEMES
    except ValueError:
        return False


def _check_address(text: str) -> str:
    if not _is_address(text) or not text.isprintable() or re.search(r'[\s"\[\]#]', text):
        raise InputError(
            f"{text!r} is not the address of an archive.",
            hint='It is "host", or begins with http://, https:// or file:/ and has no spaces.',
        )
    return text
