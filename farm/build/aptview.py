"""Floor 3: apt looking at one base system, the distribution's archive and the farm's own packages.

Resolution is apt's alone. A view is a private apt configuration whose ``status`` is that of a base
chroot, so that apt answers what would have to be installed there. Nothing in it ever changes:
indexes are hard links to those of the archive, which apt replaces by renaming.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, unquote

from farm.base.errors import CommandError, FarmFault, InstallFailed
from farm.base.files import (
    digest_of,
    link_or_copy,
    locked,
    read_json,
    settle,
    temporary,
    write_atomically,
    write_json,
)
from farm.base.run import Result, run
from farm.model.layout import Layout
from farm.source.archive import Archive

_SOLVE = timedelta(minutes=5)
_DOWNLOAD = timedelta(minutes=60)
_OFFER = "farm-offer"
_ADDRESS = re.compile(r"^'[^']+' ([^_\s]+)_([^_\s]+)_([^_\s]+)\.deb ", re.MULTILINE)
_OVERRIDES = """\
Dir::Etc::sourcelist "{dir}/view.sources";
Dir::Etc::preferences "{dir}/preferences";
Dir::State "{dir}";
Dir::State::lists "{dir}/lists";
Dir::State::status "{dir}/status";
Dir::Cache "{dir}/cache";
Dir::Log "{dir}";
Debug::NoLocking "true";
APT::Install-Recommends "false";
"""


@dataclass(frozen=True, order=True)
class Deb:
    """A binary package that apt has chosen."""

    name: str
    version: str
    architecture: str

    @property
    def file_name(self) -> str:
        """Its name in apt's cache of archives: ``:`` and ``_`` are quoted (apt's QuoteString)."""
        parts = (self.name, self.version, self.architecture)
        return "_".join(part.replace("_", "%5f").replace(":", "%3a") for part in parts) + ".deb"


@dataclass(frozen=True)
class Extra:
    """A repository beside the archive, preferred to it whatever the versions are.

    :param stanza: of sources.list(5), in the deb822 form, with a ``file:`` address.
    :param label: the ``Label`` of its Release file, by which it is preferred.
    :param identity: changes when its content does.
    """

    stanza: str
    label: str
    identity: str


class AptView:
    """What apt answers about one base; see the module.

    :param status: the dpkg status file of the base.
    :raises FarmFault: when the indexes cannot be prepared.
    """

    def __init__(
        self, layout: Layout, *, archive: Archive, status: Path, extra: Extra | None = None
    ) -> None:
        self._layout = layout
        self._archive = archive
        self._extra = extra
        settings = digest_of([_OVERRIDES, archive.apt_conf.read_text(), status.stat().st_mtime_ns])
        parts = [str(archive.generation), settings, str(status), extra.identity if extra else ""]
        self.identity = digest_of(parts)[:24]
        self.folder = layout.cache / "views" / self.identity
        if not self.folder.is_dir():
            lock = layout.locks / f"view-{self.identity}.lock"
            with locked(lock, timeout=_SOLVE, what="apt's indexes"):
                if not self.folder.is_dir():
                    self._make(status)
        os.utime(self.folder)  # in use: 'farm gc' takes those that nobody has used for days

    def _make(self, status: Path) -> None:
        with temporary(self._layout.temporary, prefix="view-") as parent:
            folder = parent / "view"
            self._fill(folder, status)
            self._configure(folder, at=folder)
            if self._extra:
                self._apt(folder, "update", "-o", "APT::Get::List-Cleanup=false",
                          "-o", f"Dir::Etc::sourcelist={folder}/extra.sources")  # fmt: skip
            self._configure(folder, at=self.folder)
            settle(folder, self.folder)
        # Once, and not by everybody who asks first and at the same time.
        env = {"APT_CONFIG": str(self.folder / "apt.conf")}
        run(["apt-cache", "-q", "gencaches"], timeout=_SOLVE, env=env)

    def _fill(self, folder: Path, status: Path) -> None:
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        for path in self._archive.lists_dir.iterdir():
            if path.is_file() and path.name != "lock":
                link_or_copy(path, folder / "lists" / path.name)
        (folder / "status").write_bytes(status.read_bytes())
        own = f"{self._extra.stanza}\n" if self._extra else ""
        (folder / "extra.sources").write_text(own)
        archive = (self._archive.generation / "farm.sources").read_text()
        (folder / "view.sources").write_text(own + archive)
        pin = "Package: *\nPin: release l={}\nPin-Priority: 1001\n"
        text = pin.format(self._extra.label) if self._extra else ""
        (folder / "preferences").write_text(text)

    def _configure(self, folder: Path, *, at: Path) -> None:
        text = self._archive.apt_conf.read_text() + _OVERRIDES.format(dir=at)
        write_atomically(folder / "apt.conf", text)

    def _apt(self, folder: Path, *words: str, timeout: timedelta = _SOLVE) -> Result:
        env = {"APT_CONFIG": str(folder / "apt.conf"), "DEBIAN_FRONTEND": "noninteractive"}
        # The extra repository is preferred even to what the base has in a higher version.
        argv = ["apt-get", "-q", "-y", "--allow-downgrades", *words]
        return run(argv, timeout=timeout, env=env, cwd=folder)

    def solve(self, *words: str) -> tuple[Deb, ...]:
        """Let apt say what a command such as ``build-dep ./x.dsc`` would install.

        An answer is kept: the same words get it again, from any process.

        :raises InstallFailed: when apt finds no solution, in apt's own words.
        """
        answer = self.folder / "answers" / f"{digest_of(words)[:24]}.json"
        if answer.exists():
            return tuple(Deb(*each) for each in read_json(answer))
        try:
            # Half the work of --simulate, which also finds an order of installation.
            result = self._apt(self.folder, "--print-uris", *words)
        except CommandError as error:
            said = [Path(word).name for word in words if not word.startswith("-")]
            raise InstallFailed(
                f"apt cannot do {' '.join(said)!r} on {self._archive.target}.",
                details=_reason(error.details),
            ) from error
        debs = tuple(sorted(_read_installations(result.stdout)))
        write_json(answer, [[each.name, each.version, each.architecture] for each in debs])
        return debs

    def download(self, *words: str, debs: Sequence[Deb]) -> dict[Deb, Path]:
        """Fetch, verified by apt, what :meth:`solve` said for the same words.

        Packages of the extra repository are not downloaded: they have no path in the answer.

        :raises FarmFault: when the archive does not give them.
        """
        cache = self._layout.debs
        missing = [deb for deb in debs if not (cache / deb.file_name).exists()]
        if missing:
            (cache / "partial").mkdir(exist_ok=True)
            lock = self._layout.locks / "downloads.lock"
            with locked(lock, timeout=_DOWNLOAD, what="downloading packages"):
                self._download(*words)
        return {deb: cache / deb.file_name for deb in debs if (cache / deb.file_name).exists()}

    def _download(self, *words: str) -> None:
        into = f"Dir::Cache::Archives={self._layout.debs}"
        try:
            self._apt(self.folder, "--download-only", "-o", into, *words, timeout=_DOWNLOAD)
        except CommandError as error:
            raise FarmFault(
                "The distribution's archive did not give all packages.",
                details=_reason(error.details),
                hint="Try again; 'farm refresh' fetches its indexes anew when they are outdated.",
            ) from error


def _read_installations(text: str) -> list[Deb]:
    found = [Deb(*(unquote(part) for part in parts)) for parts in _ADDRESS.findall(text)]
    if len(found) != len(re.findall("^'", text, re.MULTILINE)):
        raise FarmFault("apt's answer has lines that the farm cannot read.", details=text[-2000:])
    return found


def _reason(text: str) -> str:
    """Keep of apt's output what says why."""
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if "unmet dependencies" in line]
    kept = lines[starts[0] :] if starts else [line for line in lines if line[:2] in ("E:", "W:")]
    return "\n".join(kept or lines[-8:])


def flat_repository(folder: Path, *, stanzas: Sequence[str]) -> Extra:
    """Describe packages to apt by an index in a folder that holds them.

    Only for resolving on this host: nothing is signed, and nobody else ever sees it.
    """
    packages = "\n".join(stanzas)
    digest = hashlib.sha256(packages.encode()).hexdigest()
    write_atomically(folder / "Packages", packages)
    release = f"Label: {_OFFER}\nSHA256:\n {digest} {len(packages.encode())} Packages\n"
    write_atomically(folder / "Release", release)
    address = quote(os.fspath(folder))
    stanza = f"Types: deb\nURIs: file:{address}\nSuites: ./\nTrusted: yes\n"
    return Extra(stanza, _OFFER, digest_of([packages, address]))
