"""Floor 5: trying a package: a fresh chroot into which real apt installs it from the candidate."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from farm.base.activity import Tell
from farm.base.errors import CommandError, FarmFault, InstallFailed
from farm.base.files import link_or_copy, temporary
from farm.build.aptview import Deb
from farm.build.chroots import Base
from farm.build.deb import upstream_version
from farm.model.layout import Layout
from farm.place.overlay import USER, Bind, Overlay, new_name
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
rm -f /etc/apt/sources.list
apt-get -q update -o Dir::Etc::sourcelist=/etc/apt/sources.list.d/1-candidate.sources \\
    -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=false -o APT::Sandbox::User=root \\
    -o APT::Update::Error-Mode=any
"""


@dataclass(frozen=True)
class Trial:
    """A chroot with a package installed, and what a HOWTO may want to know."""

    place: Overlay
    package: str
    version: str
    user: str = USER

    @property
    def upstream_version(self) -> str:
        """The version without epoch and Debian revision."""
        return upstream_version(self.version)


@contextlib.contextmanager
def try_package(
    layout: Layout, *, candidate: Candidate, unit: Unit, archive: Archive, base: Base,
    extra: Sequence[str], tell: Tell,
) -> Iterator[Trial]:  # fmt: skip
    """Install every binary package of a unit, and ``extra`` ones, in a chroot of its own.

    :raises InstallFailed: when apt cannot install them, in apt's own words.
    """
    tell(f"installing {unit} in a fresh chroot")
    build = candidate.builds[unit]
    names = [f"{each.name}={each.version}" for each in build.binaries]
    view = candidate.view(layout, archive=archive, status=base.status)
    debs = view.solve("install", *names, *extra)
    paths = view.download("install", *names, *extra, debs=_foreign(candidate, unit, debs))
    with temporary(layout.temporary, prefix="trial-") as folder:
        folder.chmod(0o755)
        for name in ("debs", "conf"):
            (folder / name).mkdir(mode=0o755)
        for path in paths.values():
            link_or_copy(path, folder / "debs" / path.name)
        _configure(folder / "conf", candidate, unit, archive)
        overlay = Overlay(
            layout.environments / new_name(f"trial-{unit.package}"), layers=[base.tree],
            binds=[Bind(archive.lists_dir, "/farm/lists"), Bind(folder / "debs", "/farm/debs"),
                   Bind(folder / "conf", "/farm/conf"),
                   Bind(candidate.snapshot.path, "/farm/candidate")],
        ).create()  # fmt: skip
        try:
            own = set(candidate.binaries(unit.target))
            _install(overlay, [*names, *extra], unit, own)
            tell(f"trying {unit}")
            yield Trial(overlay, build.package, build.version)
        finally:
            overlay.remove()


def _foreign(candidate: Candidate, unit: Unit, debs: Sequence[Deb]) -> list[Deb]:
    own = {(each.name, each.version) for each in candidate.binaries(unit.target).values()}
    return [deb for deb in debs if (deb.name, deb.version) not in own]


def _configure(folder: Path, candidate: Candidate, unit: Unit, archive: Archive) -> None:
    keyring = folder / "candidate.gpg"
    keyring.write_bytes(candidate.keyring.read_bytes())
    stanza = candidate.stanza(unit.target, tree="/farm/candidate",
                              keyring="/farm/conf/candidate.gpg")  # fmt: skip
    (folder / "candidate.sources").write_text(stanza)
    (folder / "archive.sources").write_text(
        (archive.generation / "farm.sources")
        .read_text()
        .replace("Types: deb deb-src", "Types: deb")
    )
    pin = f"Package: *\nPin: release l={candidate.label}\nPin-Priority: 1001\n"
    (folder / "preferences").write_text(pin)


def _install(overlay: Overlay, names: Sequence[str], unit: Unit, own: set[str]) -> None:
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    overlay.run(["sh", "-c", _PREPARE], timeout=_INSTALL, env=env)
    argv = ["apt-get", "-q", "-y", "--no-install-recommends", "-o", "APT::Sandbox::User=root",
            "-o", "Acquire::Retries=0", "-o", "Dpkg::Use-Pty=0", "install", *names]  # fmt: skip
    try:
        asked = overlay.run([*argv, "--print-uris"], timeout=_INSTALL, env=env)
        _check_origin(asked.stdout, own)
        overlay.run(argv, timeout=_INSTALL, env=env)
    except CommandError as error:
        raise InstallFailed(
            f"apt does not install {unit} in a fresh chroot.", details=error.details,
            hint="Read its dependencies and maintainer scripts in the lines above.",
        ) from error  # fmt: skip


def _check_origin(text: str, own: set[str]) -> None:
    """See that apt takes the candidate's own packages: the archive may have twins."""
    for address, name in re.findall(r"^'([^']+)' (\S+)_\S+_\S+\.deb ", text, re.MULTILINE):
        if name in own and not address.startswith("file:/farm/candidate/"):
            raise FarmFault(f"apt would take {name} from {address} instead of the candidate.")
