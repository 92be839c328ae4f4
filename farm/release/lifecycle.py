"""Floor 5: how packages come and go: installed, removed, purged, installed again, upgraded.

The idea, and what is compared, is piuparts(1)'s; docs/releasing.md says why it is not piuparts.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from debian.deb822 import PkgRelation

from farm.base.activity import Tell
from farm.base.errors import AuditFailed, InstallFailed
from farm.build.aptview import Deb
from farm.model.layout import Layout
from farm.place.overlay import Overlay, new_name
from farm.place.protocol import Place
from farm.release.chroot import (
    APT,
    ENV,
    INSTALL,
    REINSTALL,
    Installation,
    installed,
    supplied,
    versions_in,
)
from farm.release.conffiles import KEEP, change, conffiles_of, find_lost
from farm.release.filelist import Comparison, digests_of, list_files

_SHORT = timedelta(minutes=5)
_SHOWN = 20
_STEP = "farm: "
_STILL = "farm is left with: "
# Tells what runs beside the first process and this one. What is about to end gets two seconds.
_FIND_PROCESSES = f"""
for i in 0 1 2 3 4 5 6 7 8 9; do
    left=
    for folder in /proc/[0-9]*; do
        case ${{folder#/proc/}} in 1|$$) continue ;; esac
        {{ read -r name < "$folder/comm"; }} 2>/dev/null && left="$left $name"
    done
    [ -n "$left" ] || exit 0
    sleep 0.2
done
echo "{_STILL}$left"
"""
_SCRIPT = re.compile(r"package (pre|post)-(installation|removal) script subprocess")
_SCRIPTS = {"installation": "inst", "removal": "rm"}
_NEVER_REMOVED = "it is a part of every chroot, so it was not removed"
_QUESTION = "end of file on stdin at conffile prompt"


@dataclass(frozen=True)
class Lifecycle:
    """A package that comes and goes in throw-away chroots.

    :param what: every binary package of the unit, from the candidate.
    """

    layout: Layout
    what: Installation
    tell: Tell

    @property
    def _own(self) -> list[str]:
        return [each.name for each in self.what.candidate.builds[self.what.unit].binaries]

    @property
    def _debs(self) -> tuple[Deb, ...]:
        return self.what.view(self.layout).solve(*self.what.words)

    def check_purge(self) -> str:
        """Install, remove and purge it; nothing of it may stay. Says what was not tried.

        :raises InstallFailed: when a step does not end well.
        :raises AuditFailed: when something has stayed, or is not as before.
        """
        needs = self._dependencies()
        there = {*versions_in(self.what.base.status), *(deb.name for deb in needs)}
        names = [deb.name for deb in self._debs if deb.name not in there]
        if not names:
            return _NEVER_REMOVED
        layers, paths = self._below(needs)
        self.tell(f"installing and purging {self.what.unit}")
        with supplied(self.layout, self.what, layers=layers, paths=paths) as overlay:
            before = list_files(overlay)
            said = self._do(overlay, [
                ("install", [*REINSTALL, *self.what.names]),
                ("remove", ["dpkg", "--remove", *names]),
                ("purge", ["dpkg", "--purge", *names]),
            ], then=_FIND_PROCESSES)  # fmt: skip
            self._check_processes(said)
            self._check_audit(overlay)
            comparison = Comparison(before, list_files(overlay))
            self._check_files(self._look_closer(comparison, overlay, layers))
        return ""

    def check_reinstall(self) -> str:
        """Remove it and install it again, twice; what was changed in conffiles must stay.

        :returns: what was not tried.
        :raises InstallFailed: when a step does not end well, or asks something.
        :raises AuditFailed: when a change is lost.
        """
        names = sorted(set(self._own) - versions_in(self.what.base.status).keys())
        layers = installed(self.layout, self.what, tell=self.tell)
        self.tell(f"installing {self.what.unit} again")
        with supplied(self.layout, self.what, layers=layers, paths=None) as overlay:
            paths = conffiles_of(overlay, self._own)
            change(overlay, paths)
            removal = [("remove", ["dpkg", "--remove", *names]),
                       ("install again", [*REINSTALL, *self.what.names])]  # fmt: skip
            self._do(overlay, [
                *(removal if names else []), ("reinstall", [*REINSTALL, *self.what.names]),
            ])  # fmt: skip
            self._check_audit(overlay)
            self._check_kept(overlay, paths)
        return "" if names else _NEVER_REMOVED

    def check_upgrade(self, former: Installation) -> str:
        """Upgrade it from what users have, once as it is and once with changed conffiles.

        :param former: what users have.
        :returns: from which version.
        :raises InstallFailed: when apt does not upgrade it, or asks something.
        :raises AuditFailed: when a package or a change is lost.
        """
        old = former.candidate.builds[former.unit]
        new = self.what.candidate.builds[self.what.unit]
        if old.key == new.key:
            return f"users have {old.version}, which is the same build"
        layers = installed(self.layout, former, tell=self.tell)
        self.tell(f"upgrading {self.what.unit} from {old.version}")
        names = {each.name for each in old.binaries}
        names = names & set(self._own) or set(self._own)
        words = [word for word in self.what.names if word.partition("=")[0] in names]
        paths = self._for_upgrade(former)
        with supplied(self.layout, self.what, layers=layers, paths=paths) as overlay:
            conffiles = conffiles_of(overlay, [each.name for each in old.binaries])
            before = _installed_packages(overlay)
            self._do(overlay, [(f"upgrade from {old.version}", [*APT, "install", *words])])
            self._check_audit(overlay)
            self._check_versions(before, _installed_packages(overlay), words)
        if conffiles:
            with supplied(self.layout, self.what, layers=layers, paths=paths) as overlay:
                change(overlay, conffiles)
                step = f"upgrade from {old.version} with changed conffiles"
                self._do(overlay, [(step, [*APT, *KEEP, "install", *words])])
                still = {*conffiles_of(overlay, names)}
                self._check_kept(overlay, [path for path in conffiles if path in still])
        return f"upgraded from {old.version}"

    # What is there before.

    def _dependencies(self) -> list[Deb]:
        """List what comes along and is there before: nothing, if that needs the package itself."""
        needs = [deb for deb in self._debs if deb.name not in self._own]
        if not needs:
            return []
        debs = self.what.view(self.layout).solve(*self._installing(needs).words)
        return needs if {deb.name for deb in debs}.isdisjoint(self._own) else []

    def _installing(self, debs: Sequence[Deb]) -> Installation:
        names = tuple(f"{deb.name}={deb.version}" for deb in debs)
        return replace(self.what, extra=(), instead=names)

    def _below(self, needs: Sequence[Deb]) -> tuple[list[Path], dict[Deb, Path] | None]:
        """Give layers that have the dependencies, and what the package needs beyond those."""
        if needs:
            return installed(self.layout, self._installing(needs), tell=self.tell), None
        return [self.what.base.tree], self._download(self.what.foreign(self._debs))

    def _for_upgrade(self, former: Installation) -> dict[Deb, Path] | None:
        had = set(former.view(self.layout).solve(*former.words))
        foreign = self.what.foreign(self._debs)
        return self._download(foreign) if set(foreign) - had else None

    def _download(self, foreign: Sequence[Deb]) -> dict[Deb, Path] | None:
        view = self.what.view(self.layout)
        return view.download(*self.what.words, debs=foreign) if foreign else None

    # What is done, and must have come of it.

    def _do(
        self, overlay: Overlay, steps: Sequence[tuple[str, Sequence[str]]], *, then: str = ""
    ) -> str:
        """Do one after the other in one go, with nobody there to answer a question."""
        script = [f"echo {shlex.quote(_STEP + name)}; {shlex.join(argv)} || exit"
                  for name, argv in steps]  # fmt: skip
        argv = ["sh", "-c", "\n".join([*script, then])]
        done = overlay.run(argv, timeout=INSTALL, env=ENV, ok=None)
        if done.returncode == 0:
            return done.stdout
        names = [line.removeprefix(_STEP) for line in done.stdout.splitlines()
                 if line.startswith(_STEP)]  # fmt: skip
        raise InstallFailed(
            f"{self.what.unit} fails at this step: {names[-1] if names else steps[0][0]}.",
            details=done.tail, hint=_advice(done.stdout + done.stderr),
        )  # fmt: skip

    def _check_processes(self, said: str) -> None:
        left = [line.removeprefix(_STILL) for line in said.splitlines() if line.startswith(_STILL)]
        if left:
            raise AuditFailed(
                f"{self.what.unit} leaves processes running when it is gone: {left[0].strip()}.",
                hint="Its prerm must end what it has started.",
            )

    def _check_audit(self, place: Place) -> None:
        said = place.run(["dpkg", "--audit"], timeout=_SHORT, ok=None).stdout.strip()
        if said:
            raise AuditFailed(f"dpkg finds fault with what {self.what.unit} has left.",
                              details=said, hint="See dpkg(1), --audit.")  # fmt: skip

    def _look_closer(
        self, comparison: Comparison, overlay: Overlay, layers: Sequence[Path]
    ) -> Comparison:
        """Compare the content of files that were written to; what was there is below."""
        paths = comparison.doubtful()
        if not paths:
            return comparison
        folder = self.layout.environments / new_name(f"before-{self.what.unit.package}")
        pristine = Overlay(folder, layers=layers).create()
        try:
            return comparison.with_digests(digests_of(pristine, paths), digests_of(overlay, paths))
        finally:
            pristine.remove()

    def _check_files(self, comparison: Comparison) -> None:
        differences = comparison.differences()
        if not differences:
            return
        lines = differences.lines()
        more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
        raise AuditFailed(
            f"{self.what.unit} was purged, and the file system is not as before: {lines[0]}.",
            details="\n".join([*lines[:_SHOWN], *more]),
            hint="Its postrm must remove on purge what dpkg does not know of, and take back what "
            "its postinst has changed.",
        )

    def _check_kept(self, place: Place, paths: Sequence[str]) -> None:
        lost = find_lost(place, paths)
        if lost:
            raise AuditFailed(
                f"{self.what.unit} has lost what the administrator has changed in {lost[0]}.",
                details="\n".join(lost),
                hint="No script may write a conffile: look at its postinst and preinst.",
            )

    def _check_versions(
        self, before: dict[str, str], after: dict[str, str], words: Sequence[str]
    ) -> None:
        wanted = dict(word.split("=", 1) for word in words)
        wrong = [f"{name} is {after.get(name, 'not installed')} instead of {version}"
                 for name, version in wanted.items() if after.get(name) != version]  # fmt: skip
        replaced = self._replaced()
        removed = [name for name in before if name not in after and name not in replaced]
        wrong += [f"{name} is removed, and nothing replaces it" for name in sorted(removed)]
        if wrong:
            raise AuditFailed(
                f"{self.what.unit} is upgraded, and {wrong[0]}.", details="\n".join(wrong),
                hint="Look at Depends:, Breaks: and Conflicts: in debian/control; what takes the "
                "place of another package says so in Replaces:.",
            )  # fmt: skip

    def _replaced(self) -> set[str]:
        binaries = self.what.candidate.binaries(self.what.unit.target).values()
        fields = [each.field("Replaces") for each in binaries]
        groups = [group for text in fields if text for group in PkgRelation.parse_relations(text)]
        return {str(relation["name"]) for group in groups for relation in group}


def _installed_packages(place: Place) -> dict[str, str]:
    form = "${db:Status-Status}\\t${Package}\\t${Version}\\n"
    lines = place.run(["dpkg-query", "--show", "--showformat", form], timeout=_SHORT).stdout
    rows = [line.split("\t") for line in lines.splitlines()]
    return {name: version for status, name, version in rows if status == "installed"}


def _advice(said: str) -> str:
    """Say which script of a package is to be looked at."""
    if _QUESTION in said:
        return (
            "dpkg asks what shall become of a conffile that nobody but the package has changed: "
            "its scripts must not write it, or it must not be one."
        )
    found = _SCRIPT.search(said)
    if found:
        script = found[1] + _SCRIPTS[found[2]]
        return f"Look at debian/{script}: it must succeed every time, and without a question."
    return "Read its dependencies and maintainer scripts in the lines above."
