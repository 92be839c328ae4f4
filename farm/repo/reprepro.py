"""Floor 4: a whole Debian repository, made aside by reprepro and apt-ftparchive."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from farm.base.errors import InputError
from farm.base.files import link_or_copy, temporary, write_json
from farm.base.run import run
from farm.model.artifact import BinaryPackage
from farm.repo.content import Content, Part, deb_name, source_files, source_of
from farm.repo.indexes import (
    COMPONENT,
    check_codename,
    format_date,
    pool_folder,
)
from farm.repo.signing import Key
from farm.repo.tree import carry, make_readable, sign_release

_TIMEOUT = timedelta(minutes=10)
_BATCH = 400  # files a command: far below the kernel's limit for arguments
FORMAT = 1


def make_tree(
    folder: Path,
    *,
    content: Content,
    repository: str,
    origin: str,
    key: Key,
    former: Sequence[Path],
    date: datetime,
) -> None:
    """Build a repository in a folder that is empty and that nobody reads yet.

    Pool files are hard links to the store, so nothing is copied and nothing can differ.

    :param former: trees that clients may still be reading: their files stay reachable.
    :param date: when the state is from, as clients see it; apt ignores a state that is older than
        the one it knows.
    :raises InputError: when there is nothing to publish, or the origin is not one line of text.
    :raises FarmFault: when reprepro, apt-ftparchive or gpg cannot do its part.
    """
    parts = content.per_distribution()
    _check(parts, repository=repository, origin=origin)
    with temporary(folder.parent, prefix="reprepro-") as aside:
        reprepro = _Reprepro(folder, aside)
        _configure(aside / "conf", parts, suite=repository.replace("/", "-"), origin=origin)
        placed = {part.distribution: _place(folder, part) for part in parts}
        reprepro.learn(itertools.chain.from_iterable(placed.values()))
        for part in parts:
            reprepro.include(part, placed[part.distribution])
        reprepro.export()
    for part in parts:
        _write_release(folder / "dists" / part.distribution, part, date=date)
    for tree in former:
        carry(tree, folder)
    with key.home.opened():
        for part in parts:
            sign_release(folder / "dists" / part.distribution, key=key, date=date)
        _write_root(folder, parts, repository=repository, origin=origin, key=key)
    make_readable(folder)


def _check(parts: Sequence[Part], *, repository: str, origin: str) -> None:
    if not parts:
        raise InputError(f"There is nothing to publish in repository {repository!r}.")
    if not origin.strip() or not origin.isprintable():
        raise InputError(f"{origin!r} cannot be the origin of a repository: write one line.")
    for part in parts:
        check_codename(part.distribution)


class _Reprepro:
    """reprepro with its configuration and database outside of what is published."""

    def __init__(self, tree: Path, aside: Path) -> None:
        self._tree = tree
        self._options: list[str | Path] = [
            "--silent", "--confdir", aside / "conf", "--dbdir", aside / "db",
            "--outdir", tree, "--gnupghome", aside, "--keepunreferencedfiles",
        ]  # fmt: skip

    def _run(self, *words: str | Path, options: Sequence[str] = ()) -> None:
        argv = ["reprepro", *self._options, *options, *words]
        run(argv, timeout=_TIMEOUT, cwd=self._tree)

    def learn(self, paths: Iterable[str]) -> None:
        """Enter what lies in the pool: what reprepro does not know, it replaces by a copy."""
        for some in _batches(sorted(set(paths))):
            self._run("_detect", *some)

    def include(self, part: Part, paths: Sequence[str]) -> None:
        """Put packages that lie in the pool into a distribution."""
        quiet = ["--export=silent-never", "--component", COMPONENT]
        debs = [path for path in paths if path.endswith(".deb")]
        for some in _batches(debs):
            self._run("includedeb", part.distribution, *some, options=quiet)
        for path in paths:
            if path.endswith(".dsc"):  # reprepro takes one at a time
                self._run("includedsc", part.distribution, path, options=quiet)

    def export(self) -> None:
        """Write all indexes, once."""
        self._run("export")


def _batches(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(paths), _BATCH):
        yield paths[start : start + _BATCH]


def _place(folder: Path, part: Part) -> list[str]:
    """Link a distribution's files to where reprepro would put them; give their paths."""
    files = {}
    for source in part.sources:
        for stored in source_files(source):
            files[f"{pool_folder(source.name)}/{stored.name}"] = stored
    for binary in part.binaries:
        files[f"{pool_folder(source_of(binary))}/{deb_name(binary)}"] = binary.file
    for path, stored in files.items():
        if not (folder / path).exists():
            link_or_copy(stored.path, folder / path)
    return sorted(files)


def _configure(conf: Path, parts: Sequence[Part], *, suite: str, origin: str) -> None:
    conf.mkdir()
    text = "\n".join(render_distribution(part, suite=suite, origin=origin) for part in parts)
    (conf / "distributions").write_text(text)
    for part in parts:
        (conf / f"{part.distribution}.deb").write_text(render_deb_override(part.binaries))
        (conf / f"{part.distribution}.dsc").write_text(render_dsc_override(part))


def render_distribution(part: Part, *, suite: str, origin: str) -> str:
    """Write a distribution's paragraph of ``conf/distributions``: reprepro(1)."""
    return "".join(
        f"{name}: {value}\n"
        for name, value in (
            ("Codename", part.distribution),
            ("Suite", suite),
            ("Origin", origin),
            ("Label", origin),
            ("Components", COMPONENT),
            ("Architectures", " ".join((*part.architectures, "source"))),
            ("DebOverride", f"{part.distribution}.deb"),
            ("DscOverride", f"{part.distribution}.dsc"),
            ("DebIndices", "Packages . .gz .xz"),
            ("DscIndices", "Sources . .gz .xz"),
        )
    )


def render_deb_override(binaries: Iterable[BinaryPackage]) -> str:
    """Write what is missing in packages: reprepro refuses one without section or priority."""
    lines = set()
    for binary in binaries:
        if _section(binary) != binary.field("Section"):
            lines.add(f"{binary.name}\tSection\t{_section(binary)}\n")
        if not binary.field("Priority"):
            lines.add(f"{binary.name}\tPriority\toptional\n")
    return "".join(sorted(lines))


def render_dsc_override(part: Part) -> str:
    """Write section and priority of sources, which a ``.dsc`` lacks: those of a package of it."""
    sections = {source.name: "misc" for source in part.sources}
    for binary in reversed(part.binaries):
        if source_of(binary) in sections and not binary.name.endswith("-dbgsym"):
            sections[source_of(binary)] = _section(binary)
    return "".join(
        f"{name}\tSection\t{section}\n{name}\tPriority\toptional\n"
        for name, section in sorted(sections.items())
    )


def _section(binary: BinaryPackage) -> str:
    section = binary.field("Section")
    return section if section not in ("", "unknown") else "misc"


def _write_release(folder: Path, part: Part, *, date: datetime) -> None:
    """Write ``Release`` anew, together with the indexes by their hashes: apt-ftparchive(1)."""
    path = folder / "Release"
    kept = ("Origin", "Label", "Suite", "Codename", "Components")
    said = dict(line.split(": ", 1) for line in path.read_text().splitlines() if ": " in line)
    fields = {name: said[name] for name in kept if name in said}
    fields |= {"Architectures": " ".join(part.architectures), "Date": format_date(date)}
    path.unlink()
    settings = [f"APT::FTPArchive::Release::{name}={value}" for name, value in fields.items()]
    settings += ["APT::FTPArchive::DoByHash=true"]
    settings += [f"APT::FTPArchive::{weaker}=false" for weaker in ("MD5", "SHA1", "SHA512")]
    options = itertools.chain.from_iterable(("-o", setting) for setting in settings)
    made = run(
        ["apt-ftparchive", *options, "release", "."],
        timeout=_TIMEOUT, cwd=folder, env={"APT_CONFIG": "/dev/null"},
    )  # fmt: skip
    path.write_text(made.stdout)


def _write_root(
    folder: Path, parts: Sequence[Part], *, repository: str, origin: str, key: Key
) -> None:
    name = public_name(origin, repository)
    codenames = [part.distribution for part in parts]
    (folder / f"{name}-keyring.gpg").write_bytes(key.export())
    (folder / f"{name}-keyring.asc").write_text(key.export_armored())
    (folder / f"{name}.sources").write_text(render_sources(name, codenames=codenames))
    about = {"format": FORMAT, "repository": repository, "origin": origin}
    keyring = f"{name}-keyring.gpg"
    write_json(folder / "repository.json", {**about, "keyring": keyring, "codenames": codenames})


def public_name(origin: str, repository: str) -> str:
    """Give the beginning of the names of the public files: ``my-ipbx-private-alice``."""
    return re.sub(r"[^a-z0-9.+]+", "-", f"{origin}-{repository}".lower()).strip("-.")


def render_sources(name: str, *, codenames: Sequence[str]) -> str:
    """Write the sources.list(5) paragraph that people copy, but for the address."""
    return (
        f"# 1. Put {name}-keyring.gpg, which lies beside this file, into /usr/share/keyrings.\n"
        f"# 2. Put this file into /etc/apt/sources.list.d, with the address where you found it\n"
        f"#    in URIs, and with your own distribution alone in Suites.\n"
        f"Types: deb deb-src\n"
        f"URIs: https://example.org/{name}\n"
        f"Suites: {' '.join(codenames)}\n"
        f"Components: {COMPONENT}\n"
        f"Signed-By: /usr/share/keyrings/{name}-keyring.gpg\n"
    )
