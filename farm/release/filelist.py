"""Floor 5: what lies in a file system, and what differs from one look to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from farm.place.protocol import Place

_SHORT = timedelta(minutes=5)
_FIND = ("find", "/", "-xdev", "-printf", r"%y\0%m\0%U:%G\0%s\0%C@\0%Y\0%l\0%p\0")

KEPT = (
    # Not of the disk, or not of the chroot.
    "/dev", "/farm", "/proc", "/run", "/sys",
    # What apt, dpkg and debconf write down, and caches that their triggers make anew.
    "/etc/ld.so.cache", "/usr/share/info/dir", "/usr/share/info/dir.old", "/var/cache/apt",
    "/var/cache/debconf", "/var/cache/ldconfig", "/var/cache/man", "/var/lib/apt",
    "/var/lib/dpkg", "/var/log/alternatives.log", "/var/log/apt", "/var/log/dpkg.log",
    # Users and groups: their files may still belong to them.
    "/etc/.pwd.lock", "/etc/group", "/etc/group-", "/etc/gshadow", "/etc/gshadow-",
    "/etc/passwd", "/etc/passwd-", "/etc/shadow", "/etc/shadow-", "/etc/subgid", "/etc/subgid-",
    "/etc/subuid", "/etc/subuid-",
)  # fmt: skip
"""What may differ, with all below it, when a package has come and gone; docs/releasing.md too."""

WATCHED = ("/var/lib/dpkg/alternatives", "/var/lib/dpkg/diversions", "/var/lib/dpkg/statoverride")
"""What may not, all the same: packages that change these must take that back."""

_FIELDS = 8
_FILE, _LINK, _FOLDER = "f", "l", "d"
_NAMES = {_FILE: "file", _LINK: "link", _FOLDER: "folder"}


@dataclass(frozen=True)
class Entry:
    """One name in a file system.

    :param kind: the letter of find(1): ``f``, ``d``, ``l`` and others.
    :param mode: the permissions, in octal digits.
    :param owner: the ids of user and group.
    :param stamp: when it was last changed in any way; nobody can set it back.
    :param link: what a symbolic link says.
    :param broken: whether a symbolic link leads nowhere.
    :param digest: of its content, where that was looked at.
    """

    kind: str
    mode: str
    owner: str
    size: int = 0
    stamp: str = ""
    link: str = ""
    broken: bool = False
    digest: str = ""

    def __str__(self) -> str:
        end = f" -> {self.link}" if self.kind == _LINK else ""
        return f"{_NAMES.get(self.kind, self.kind)} {self.mode} {self.owner}{end}"

    @property
    def lasting(self) -> tuple[str, str, str, str]:
        """What must be as before, whatever the content is. The mode of a link means nothing."""
        return (self.kind, self.mode if self.kind != _LINK else "", self.owner, self.link)


Listing = Mapping[str, Entry]
"""Entries by absolute path."""


@dataclass(frozen=True)
class Differences:
    """What a file system has now, and had not before.

    :param left: what is new, each with what it is.
    :param gone: what is no longer there.
    :param changed: what has another type, mode, owner, target or content.
    :param broken: links that lead nowhere since.
    """

    left: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.left or self.gone or self.changed or self.broken)

    def lines(self) -> list[str]:
        """Say each in a line."""
        told = (("left", self.left), ("broken", self.broken), ("changed", self.changed),
                ("gone", self.gone))  # fmt: skip
        return [f"{word}: {each}" for word, those in told for each in those]


@dataclass(frozen=True)
class Comparison:
    """Two looks at a file system: before something came, and after it went."""

    before: Listing
    after: Listing

    def doubtful(self) -> list[str]:
        """Name the files of which only the content can tell whether they are as before."""
        both = sorted(self.before.keys() & self.after.keys())
        return [path for path in both if not _is_kept(path)
                and _is_doubtful(self.before[path], self.after[path])]  # fmt: skip

    def with_digests(self, before: Mapping[str, str], after: Mapping[str, str]) -> Comparison:
        """Give the same with digests of the content of :meth:`doubtful` files, by path."""
        return replace(self, before=_with_digests(self.before, before),
                       after=_with_digests(self.after, after))  # fmt: skip

    def differences(self) -> Differences:
        """Compare them, but for what may differ."""
        old, new = self.before, self.after
        both = [path for path in sorted(old.keys() & new.keys()) if not _is_kept(path)]
        return Differences(
            tuple(f"{path} ({new[path]})" for path in _only(new, old)),
            tuple(f"{path} ({old[path]})" for path in _only(old, new)),
            tuple(f"{path} ({_difference(old[path], new[path])})" for path in both
                  if _difference(old[path], new[path])),
            tuple(f"{path} ({new[path]})" for path in both
                  if new[path].broken and not old[path].broken),
        )  # fmt: skip


def list_files(place: Place) -> dict[str, Entry]:
    """List all that lies in the root file system of a place: find(1)."""
    return read_listing(place.run(_FIND, timeout=_SHORT).stdout)


def digests_of(place: Place, paths: Sequence[str]) -> dict[str, str]:
    """Give the digests of the content of some files there, by path."""
    said = place.run(["xargs", "-0", "sha256sum", "-z", "--"], timeout=_SHORT,
                     input="\0".join(paths)).stdout  # fmt: skip
    rows = [line.split("  ", 1) for line in said.split("\0") if line]
    return {path: digest for digest, path in rows}


def read_listing(text: str) -> dict[str, Entry]:
    """Read what find(1) has printed of each file, in eight fields."""
    parts = text.split("\0")[:-1]
    rows = zip(*([iter(parts)] * _FIELDS), strict=True)
    return {
        path: Entry(kind, mode, owner, int(size), stamp, link,
                    broken=kind == _LINK and to in ("N", "L", "?"))
        for kind, mode, owner, size, stamp, to, link, path in rows
    }  # fmt: skip


def _only(listing: Listing, other: Listing) -> list[str]:
    """Name what one has and the other has not; of a whole folder, the folder alone."""
    names = {path for path in listing.keys() - other.keys() if not _is_kept(path)}
    return sorted(path for path in names if path.rpartition("/")[0] not in names)


def _is_kept(path: str) -> bool:
    return _is_below(path, KEPT) and not _is_below(path, WATCHED)


def _is_below(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == each or path.startswith(f"{each}/") for each in folders)


def _is_doubtful(old: Entry, new: Entry) -> bool:
    same = (old.lasting, old.size) == (new.lasting, new.size)
    return old.kind == _FILE and same and old.stamp != new.stamp


def _difference(old: Entry, new: Entry) -> str:
    if old.lasting != new.lasting:
        return f"{old}, now {new}"
    if old.kind == _FILE and (old.size, old.digest) != (new.size, new.digest):
        return f"{old.size} bytes, now {new.size}" if old.size != new.size else "other content"
    return ""


def _with_digests(listing: Listing, digests: Mapping[str, str]) -> Listing:
    return {**listing, **{path: replace(listing[path], digest=digest)
                          for path, digest in digests.items()}}  # fmt: skip
