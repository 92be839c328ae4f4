"""Floor 5: chroots whose own apt installs from a candidate: verified, and without a network."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import timedelta
from pathlib import Path

from debian.deb822 import Deb822

from farm.base.activity import Tell
from farm.base.errors import CommandError, FarmFault, InstallFailed
from farm.base.files import digest_of, link_or_copy, locked, temporary
from farm.build.aptview import AptView, Deb
from farm.build.chroots import Base
from farm.model.layout import Layout
from farm.place.overlay import Bind, Overlay, new_name
from farm.release.candidate import Candidate
from farm.release.gates import Unit
from farm.source.archive import Archive

INSTALL = timedelta(minutes=20)
"""How long apt may take."""

ENV = {"DEBIAN_FRONTEND": "noninteractive"}
"""What apt and the scripts of packages are told, beside that nobody answers questions."""

# The archive's indexes were fetched and verified on the host; the candidate's are read here, and
# verified here, by the apt that users have. No network is needed, so there is none.
_PREPARE = """
set -e
cp /farm/conf/preferences /etc/apt/preferences.d/farm
# First in order: of two packages with one name and version, apt takes the one it meets first.
cp /farm/conf/candidate.sources /etc/apt/sources.list.d/1-candidate.sources
if [ -e /farm/conf/archive.sources ]; then
    find /farm/lists -maxdepth 1 -type f ! -name lock -exec ln -sf -t /var/lib/apt/lists {} +
    find /farm/debs -maxdepth 1 -name '*.deb' -exec ln -sf -t /var/cache/apt/archives {} +
    cp /farm/conf/archive.sources /etc/apt/sources.list.d/2-archive.sources
fi
apt-get -q update -o Dir::Etc::sourcelist=/etc/apt/sources.list.d/1-candidate.sources \\
    -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=false -o APT::Sandbox::User=root \\
    -o APT::Update::Error-Mode=any
"""
_TIDY = """
rm -f /etc/apt/preferences.d/farm /etc/apt/sources.list.d/[12]-*.sources
find /var/lib/apt/lists /var/cache/apt/archives -type l -delete
apt-get -q clean
"""
APT = ("apt-get", "-q", "-y", "--no-install-recommends", "--allow-downgrades",
       "-o", "APT::Sandbox::User=root", "-o", "Dir::Etc::sourcelist=/dev/null",
       "-o", "Acquire::Retries=0", "-o", "Dpkg::Use-Pty=0")  # fmt: skip
"""How apt is called in a chroot that :func:`supplied` has given."""

REINSTALL = (*APT, "--reinstall", "install")
"""How it installs what the base may have in the very same version, built by somebody else."""


@dataclass(frozen=True)
class Installation:
    """What is installed in a chroot: every binary package of a unit, and others.

    :param extra: further packages, of the distribution or of the candidate.
    :param instead: packages that are installed instead of all that.
    """

    candidate: Candidate
    unit: Unit
    archive: Archive
    base: Base
    extra: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """What apt is asked for."""
        build = self.candidate.builds[self.unit]
        own = [*(f"{each.name}={each.version}" for each in build.binaries), *self.extra]
        return [*self.instead] or own

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

    def foreign(self, debs: Sequence[Deb]) -> list[Deb]:
        """Choose what is not the candidate's own."""
        binaries = self.candidate.binaries(self.unit.target).values()
        own = {(each.name, each.version) for each in binaries}
        return [deb for deb in debs if (deb.name, deb.version) not in own]


def installed(layout: Layout, what: Installation, *, tell: Tell) -> list[Path]:
    """Give the layers of a chroot in which everything is installed; apt does it once.

    :raises InstallFailed: when apt cannot install it, in apt's own words.
    """
    debs = what.view(layout).solve(*what.words)
    tree = layout.trees / f"trial-{what.key(debs)}"
    if not tree.is_dir():
        lock = layout.locks / f"{tree.name}.lock"
        with locked(lock, timeout=INSTALL, what=f"installing {what.unit}",
                    waiting=lambda: tell(f"waiting for {what.unit} to be installed")):  # fmt: skip
            if not tree.is_dir():
                tell(f"installing {what.unit} in a fresh chroot")
                _install(layout, what, debs, tree)
    return [tree, what.base.tree]


def _install(layout: Layout, what: Installation, debs: Sequence[Deb], tree: Path) -> None:
    paths = what.view(layout).download(*what.words, debs=what.foreign(debs))
    with supplied(layout, what, layers=[what.base.tree], paths=paths) as overlay:
        _install_in(overlay, what)
        overlay.run(["sh", "-c", _TIDY], timeout=INSTALL)
        overlay.adopt(tree)


@contextlib.contextmanager
def supplied(
    layout: Layout, what: Installation, *, layers: Sequence[Path],
    paths: Mapping[Deb, Path] | None,
) -> Iterator[Overlay]:  # fmt: skip
    """Give a fresh chroot in which apt can install from the candidate.

    :param layers: what it is made of, the topmost first.
    :param paths: the packages of the archive that are at hand there. With None, nothing of the
        archive is needed, and apt is not shown it, which saves it half a second every time.
    """
    with temporary(layout.temporary, prefix="trial-") as folder:
        folder.chmod(0o755)
        for name in ("debs", "conf"):
            (folder / name).mkdir(mode=0o755)
        for path in (paths or {}).values():
            link_or_copy(path, folder / "debs" / path.name)
        _configure(folder / "conf", what, archive=paths is not None)
        binds = [Bind(folder / "debs", "/farm/debs"), Bind(folder / "conf", "/farm/conf")]
        binds += [Bind(what.archive.lists_dir, "/farm/lists")]
        binds += [Bind(what.candidate.snapshot.path, "/farm/candidate")]
        name = new_name(f"install-{what.unit.package}")
        overlay = Overlay(layout.environments / name, layers=layers, binds=binds).create()
        try:
            overlay.run(["sh", "-c", _PREPARE], timeout=INSTALL, env=ENV)
            yield overlay
        finally:
            overlay.remove()


def versions_in(status: Path) -> dict[str, str]:
    """Read dpkg's status file: what is installed, and in which version."""
    with status.open(encoding="utf-8") as lines:
        return {
            stanza["Package"]: stanza["Version"]
            for stanza in Deb822.iter_paragraphs(lines, use_apt_pkg=False)
            if stanza["Status"].endswith(" installed")
        }


def _configure(folder: Path, what: Installation, *, archive: bool) -> None:
    candidate = what.candidate
    (folder / "candidate.gpg").write_bytes(candidate.keyring.read_bytes())
    keyring = "/farm/conf/candidate.gpg"
    stanza = candidate.stanza(what.unit.target, tree="/farm/candidate", keyring=keyring)
    (folder / "candidate.sources").write_text(stanza)
    if archive:
        text = (what.archive.generation / "farm.sources").read_text()
        (folder / "archive.sources").write_text(text.replace("deb deb-src", "deb"))
    pin = f"Package: *\nPin: release l={candidate.label}\nPin-Priority: 1001\n"
    (folder / "preferences").write_text(pin)


def _install_in(overlay: Overlay, what: Installation) -> None:
    try:
        asked = overlay.run([*REINSTALL, "--print-uris", *what.names], timeout=INSTALL, env=ENV)
        _check_origin(asked.stdout, set(what.candidate.binaries(what.unit.target)))
        overlay.run([*REINSTALL, *what.names], timeout=INSTALL, env=ENV)
    except CommandError as error:
        raise InstallFailed(
            f"apt does not install {what.unit} in a fresh chroot.",
            details=error.details,
            hint="Read its dependencies and maintainer scripts in the lines above.",
        ) from error


def _check_origin(text: str, own: set[str]) -> None:
    """See that apt takes the candidate's own packages: the archive may have twins."""
    for address, name in re.findall(r"^'([^']+)' (\S+)_\S+_\S+\.deb ", text, re.MULTILINE):
        if name in own and not address.startswith("file:/farm/candidate/"):
            raise FarmFault(f"apt would take {name} from {address} instead of the candidate.")
