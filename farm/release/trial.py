"""Floor 5: trying a package: a fresh chroot into which real apt installs it from the candidate."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from datetime import timedelta
from pathlib import Path

from farm.base.activity import Tell
from farm.base.errors import CommandError, FarmFault, InstallFailed
from farm.base.files import digest_of, link_or_copy, locked, temporary
from farm.build.aptview import AptView, Deb
from farm.build.chroots import Base
from farm.build.deb import upstream_version
from farm.model.layout import Layout
from farm.place.overlay import USER, Bind, Overlay, new_name
from farm.place.protocol import Place
from farm.release.candidate import Candidate
from farm.release.gates import Unit
from farm.source.archive import Archive

_INSTALL = timedelta(minutes=20)
# The archive's indexes were fetched and verified on the host; the candidate's are read here, and
# verified here, by the apt that users have. No network is needed, so there is none.
_PREPARE = """
set -e
find /farm/lists -maxdepth 1 -type f ! -name lock -exec ln -sf -t /var/lib/apt/lists {} +
find /farm/debs -maxdepth 1 -name '*.deb' -exec ln -sf -t /var/cache/apt/archives {} +
cp /farm/conf/preferences /etc/apt/preferences.d/farm
# First in order: of two packages with one name and version, apt takes the one it meets first.
cp /farm/conf/candidate.sources /etc/apt/sources.list.d/1-candidate.sources
cp /farm/conf/archive.sources /etc/apt/sources.list.d/2-archive.sources
apt-get -q update -o Dir::Etc::sourcelist=/etc/apt/sources.list.d/1-candidate.sources \\
    -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=false -o APT::Sandbox::User=root \\
    -o APT::Update::Error-Mode=any
"""
_TIDY = """
rm -f /etc/apt/preferences.d/farm /etc/apt/sources.list.d/[12]-*.sources
find /var/lib/apt/lists /var/cache/apt/archives -type l -delete
apt-get -q clean
"""
_APT = ("apt-get", "-q", "-y", "--no-install-recommends", "--allow-downgrades", "--reinstall",
        "-o", "APT::Sandbox::User=root", "-o", "Dir::Etc::sourcelist=/dev/null",
        "-o", "Acquire::Retries=0", "-o", "Dpkg::Use-Pty=0", "install")  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """Where a package is installed, and what a HOWTO may want to know."""

    place: Place
    package: str
    version: str
    user: str = USER

    @property
    def upstream_version(self) -> str:
        """The version without epoch and Debian revision."""
        return upstream_version(self.version)


@dataclass(frozen=True)
class Installation:
    """What is installed in a chroot for a trial: every binary package of a unit, and others.

    :param extra: further packages, of the distribution or of the candidate.
    """

    candidate: Candidate
    unit: Unit
    archive: Archive
    base: Base
    extra: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """What apt is asked for."""
        build = self.candidate.builds[self.unit]
        return [*(f"{each.name}={each.version}" for each in build.binaries), *self.extra]

    @property
    def words(self) -> list[str]:
        """How it is asked: the base may have the very same version, built by somebody else."""
        return ["--reinstall", "install", *self.names]

    def view(self, layout: Layout) -> AptView:
        """Give apt's view of the candidate and the archive, over the base."""
        return self.candidate.view(layout, archive=self.archive, status=self.base.status)

    def key(self, debs: Sequence[Deb]) -> str:
        """Give the digest of all that decides what the chroot will hold.

        :param debs: what apt will install. A candidate in which all of these are what they were
            in another one has the same chroot.
        """
        own = self.candidate.binaries(self.unit.target)
        content = {(each.name, each.version): each.file.sha256 for each in own.values()}
        chosen = [[*astuple(deb), content.get((deb.name, deb.version), "")] for deb in debs]
        parts = [self.base.key, sorted(self.names), chosen, str(self.archive.generation)]
        return digest_of(parts)[:24]


@contextlib.contextmanager
def try_package(layout: Layout, what: Installation, *, tell: Tell) -> Iterator[Trial]:
    """Give a fresh chroot in which everything is installed, for as long as the block runs.

    apt installs it once; every trial has an overlay of its own on that.

    :raises InstallFailed: when apt cannot install it, in apt's own words.
    """
    debs = what.view(layout).solve(*what.words)
    tree = layout.trees / f"trial-{what.key(debs)}"
    if not tree.is_dir():
        lock = layout.locks / f"{tree.name}.lock"
        with locked(lock, timeout=_INSTALL, what=f"installing {what.unit}",
                    waiting=lambda: tell(f"waiting for {what.unit} to be installed")):  # fmt: skip
            if not tree.is_dir():
                tell(f"installing {what.unit} in a fresh chroot")
                _install(layout, what, debs, tree)
    tell(f"trying {what.unit}")
    build = what.candidate.builds[what.unit]
    name = new_name(f"trial-{what.unit.package}")
    overlay = Overlay(layout.environments / name, layers=[tree, what.base.tree]).create()
    try:
        yield Trial(overlay, build.package, build.version)
    finally:
        overlay.remove()


def _install(layout: Layout, what: Installation, debs: Sequence[Deb], tree: Path) -> None:
    foreign = _foreign(what.candidate, what.unit, debs)
    paths = what.view(layout).download(*what.words, debs=foreign)
    with temporary(layout.temporary, prefix="trial-") as folder:
        folder.chmod(0o755)
        for name in ("debs", "conf"):
            (folder / name).mkdir(mode=0o755)
        for path in paths.values():
            link_or_copy(path, folder / "debs" / path.name)
        _configure(folder / "conf", what)
        binds = [Bind(folder / "debs", "/farm/debs"), Bind(folder / "conf", "/farm/conf")]
        binds += [Bind(what.archive.lists_dir, "/farm/lists")]
        binds += [Bind(what.candidate.snapshot.path, "/farm/candidate")]
        name = new_name(f"install-{what.unit.package}")
        overlay = Overlay(
            layout.environments / name, layers=[what.base.tree], binds=binds
        ).create()
        try:
            _install_in(overlay, what)
            overlay.adopt(tree)
        finally:
            overlay.remove()


def _foreign(candidate: Candidate, unit: Unit, debs: Sequence[Deb]) -> list[Deb]:
    own = {(each.name, each.version) for each in candidate.binaries(unit.target).values()}
    return [deb for deb in debs if (deb.name, deb.version) not in own]


def _configure(folder: Path, what: Installation) -> None:
    candidate = what.candidate
    (folder / "candidate.gpg").write_bytes(candidate.keyring.read_bytes())
    keyring = "/farm/conf/candidate.gpg"
    stanza = candidate.stanza(what.unit.target, tree="/farm/candidate", keyring=keyring)
    (folder / "candidate.sources").write_text(stanza)
    archive = (what.archive.generation / "farm.sources").read_text()
    (folder / "archive.sources").write_text(archive.replace("deb deb-src", "deb"))
    pin = f"Package: *\nPin: release l={candidate.label}\nPin-Priority: 1001\n"
    (folder / "preferences").write_text(pin)


def _install_in(overlay: Overlay, what: Installation) -> None:
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    overlay.run(["sh", "-c", _PREPARE], timeout=_INSTALL, env=env)
    try:
        asked = overlay.run([*_APT, "--print-uris", *what.names], timeout=_INSTALL, env=env)
        _check_origin(asked.stdout, set(what.candidate.binaries(what.unit.target)))
        overlay.run([*_APT, *what.names], timeout=_INSTALL, env=env)
    except CommandError as error:
        raise InstallFailed(
            f"apt does not install {what.unit} in a fresh chroot.",
            details=error.details,
            hint="Read its dependencies and maintainer scripts in the lines above.",
        ) from error
    overlay.run(["sh", "-c", _TIDY], timeout=_INSTALL)


def _check_origin(text: str, own: set[str]) -> None:
    """See that apt takes the candidate's own packages: the archive may have twins."""
    for address, name in re.findall(r"^'([^']+)' (\S+)_\S+_\S+\.deb ", text, re.MULTILINE):
        if name in own and not address.startswith("file:/farm/candidate/"):
            raise FarmFault(f"apt would take {name} from {address} instead of the candidate.")
