"""Floor 5: the upgrade of a machine of what users have to the candidate, and the way back."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from farm.base.errors import AuditFailed, CommandError, InstallFailed
from farm.base.files import digest_of, locked, read_json, sha256_of
from farm.config.settings import Machine
from farm.machine.cache import serve_cache
from farm.machine.server import Offer, serve
from farm.model.layout import Layout
from farm.place.guest import Guest
from farm.release import machine_checks as checks
from farm.release.chroot import versions_in
from farm.release.conffiles import KEEP, change, conffiles_of, find_lost
from farm.release.installs import Installed
from farm.release.machines import Machines, Running, blocked_by
from farm.release.wishes import Subject

_FORMAT = 1  # raise it when machines are upgraded in another way
_SHORT = timedelta(minutes=2)
_TURN = timedelta(hours=2)
_UPGRADE = timedelta(minutes=20)
_MARKERS = ("/root/farm-marker", "/srv/farm-marker", "/var/lib/farm-marker")
_SOURCES = "/etc/apt/sources.list.d/1-candidate.sources"
_KEYRING = "/usr/share/keyrings/farm-upgrade.gpg"
_SETTINGS = "/etc/apt/apt.conf.d/90farm-upgrade"
_APT = ("apt-get", "-q", "-y", "-o", "Dpkg::Use-Pty=0", "-o", "APT::Update::Error-Mode=any")
FULL_UPGRADE = (*KEEP, "full-upgrade")
"""What docs/machines.md tells users to do: what they have changed stays, and nobody is asked."""
_ENV = {"DEBIAN_FRONTEND": "noninteractive"}
_PUT_MARKERS = 'for file; do mkdir -p "${file%/*}"; echo "what users keep" > "$file"; done'


@dataclass(frozen=True)
class Upgrade:
    """An upgrade of one target.

    :param former: what users have.
    :param subject: the candidate.
    """

    machines: Machines
    layout: Layout
    former: Subject
    subject: Subject

    @property
    def machine(self) -> Machine:
        """What farm.toml wants of machines."""
        return self.machines.installs.machine

    def ensure(self) -> Installed:
        """Give the machine that was upgraded, upgrading one unless that was done before.

        :raises InstallFailed: when apt does not upgrade it.
        :raises AuditFailed: when something is lost or removed by that.
        :raises Blocked: when there is no machine that could be upgraded.
        """
        former = self.machines.installed(self.former)
        fresh = self.machines.installed(self.subject)
        key = digest_of([_FORMAT, former.folder.name, fresh.folder.name, self.machine.removable,
                         FULL_UPGRADE])[:24]  # fmt: skip
        folder = self.layout.installed / f"{self.subject.target}-{key}"
        lock = self.layout.locks / f"upgraded-{key}.lock"
        with locked(lock, timeout=_TURN, what=f"upgrading the machine of {self.subject.target}"):
            if not _stands_on(folder, former):
                shutil.rmtree(folder, ignore_errors=True)
                with self.machines.attempts.once(folder.name):
                    self._upgrade(former, folder)
        for each in (folder, former.folder):  # that of before last: its disk is below the other
            os.utime(each)
        return Installed(folder, self.subject.target, self.subject.candidate.digest)

    def _upgrade(self, former: Installed, folder: Path) -> None:
        purpose = f"machine@{self.subject.target}"
        with self.machines.clone(self.former, purpose=purpose) as running:
            place, box = running.place, running.box
            before = checks.package_set(place)
            changed = _live_on(place, [*self.former.candidate.binaries(self.former.target)])
            self._to(running, self.subject, FULL_UPGRADE)
            self._check_kept(place, before, changed)
            status = place.run(["cat", "/var/lib/dpkg/status"], timeout=_SHORT)
            (box.folder / "status").write_text(status.stdout)
            box.logs.mkdir(exist_ok=True)
            (box.logs / "errors.log").write_text("\n".join(checks.errors_of(former)))
            place.run(["sync"], timeout=_SHORT)
            place.hang_up()
            about = {name: former.about[name] for name in ("wire", "address", "target")}
            self.machines.installs.keep(box, folder, {
                **about, "candidate": "", "before": before, "phases": [], "on": _made(former),
            })  # fmt: skip

    @contextlib.contextmanager
    def upgraded(self, *, purpose: str = "", keep: bool = True) -> Iterator[Running]:
        """Give a clone of the upgraded machine.

        :param purpose: what it is for, in ``farm shell`` and reports.
        :param keep: whether it is kept when the block fails.
        :raises Blocked: when it cannot be upgraded.
        """
        with blocked_by(f"upgrade@{self.subject.target}"):
            machine = self.ensure()
        purpose = purpose or f"machine@{self.subject.target}"
        with self.machines.clone(self.subject, purpose=purpose, of=machine, keep=keep) as running:
            yield running

    def check(self, running: Running) -> str:
        """See that an upgraded machine is as one that was just installed; says what differs.

        :raises AuditFailed: for any difference but packages that it had before.
        """
        machine = self.machine
        checks.check_packages(running, self.subject, machine)
        checks.check_settled(running, self.subject)
        checks.check_journal(running.place, known=checks.errors_of(running.installed))
        checks.check_services(running, machine)
        if machine.page:
            text = checks.page_text(machine.page, self.subject.candidate, self.subject)
            checks.check_page(running, machine.page, text)
        fresh = versions_in(self.machines.installed(self.subject).folder / "status")
        have = checks.package_set(running.place)
        lacking = [f"{name} {fresh[name]}" for name in sorted(fresh.keys() - have.keys())]
        both = sorted(fresh.keys() & have.keys())
        older = [f"{name} {have[name]} instead of {fresh[name]}"
                 for name in both if have[name] != fresh[name]]  # fmt: skip
        if lacking or older:
            raise AuditFailed(
                "An upgraded machine is not what a fresh one is.",
                details="\n".join([*(f"lacks {each}" for each in lacking), *older]),
                hint="Let a package that must come along be a dependency of one that is there.",
            )
        more = sorted(have.keys() - fresh.keys())
        return f"beside what a fresh machine has: {', '.join(more)}" if more else ""

    def back_and_forth(self, running: Running) -> str:
        """Go back to the versions of before by apt, and forward again; says how it went.

        :raises AuditFailed: when the machine is not the candidate's again.
        """
        own = self.former.candidate.binaries(self.former.target)
        before: Mapping[str, str] = running.installed.about["before"]
        words = [f"{name}={version}" for name, version in before.items() if name in own]
        try:
            self._to(running, self.former, [*KEEP, "--allow-downgrades", "install", *words])
        except InstallFailed as error:
            said = f"apt does not go back: {(error.details.splitlines() or [error.brief])[-1]}"
        else:
            have = checks.package_set(running.place)
            wrong = [name for name in own if name in before and have.get(name) != before[name]]
            said = f"apt goes back, but for {', '.join(wrong)}" if wrong else "apt goes back"
        self._to(running, self.subject, FULL_UPGRADE)
        checks.check_packages(running, self.subject, self.machine)
        return said

    def check_snapshot(self) -> None:
        """See that the disk of before gives the machine of before.

        :raises AuditFailed: when it does not.
        """
        wanted = versions_in(self.machines.installed(self.former).folder / "status")
        with self.machines.clone(self.former, purpose=f"machine@{self.former.target}") as running:
            if checks.package_set(running.place) != wanted:
                raise AuditFailed("The disk of before does not give the machine of before.")

    def _to(self, running: Running, subject: Subject, words: Sequence[str]) -> None:
        """Let apt read a candidate beside the distribution's archive, and do something."""
        place, host = running.place, running.host
        trees = {"candidate": subject.candidate.snapshot.path}
        with contextlib.ExitStack() as stack:
            served = stack.enter_context(serve(lambda _: Offer(trees=trees)))
            port = stack.enter_context(serve_cache(self.layout.cache / "apt-cacher-ng"))
            _put(place, _SOURCES, (
                f"Types: deb\nURIs: http://{host}:{served.port}/candidate\n"
                f"Suites: {subject.target.distribution}\nComponents: main\nSigned-By: {_KEYRING}\n"
            ))  # fmt: skip
            _put(place, _SETTINGS, (
                f'Acquire::http::Proxy "http://{host}:{port}";\n'
                f'Acquire::http::Proxy::{host} "DIRECT";\nAcquire::Languages "none";\n'
            ))  # fmt: skip
            place.send([subject.candidate.keyring], "/tmp", timeout=_SHORT)  # noqa: S108
            name = f"/tmp/{subject.candidate.keyring.name}"  # noqa: S108
            place.run(["mv", "-f", name, _KEYRING], timeout=_SHORT)
            wanted = subject.candidate.snapshot.id
            self.machines.tell(f"bringing the machine of {subject.target} to {wanted}")
            try:
                place.run([*_APT, "update"], timeout=_UPGRADE, env=_ENV)
                place.run([*_APT, *words], timeout=_UPGRADE, env=_ENV)
            except CommandError as error:
                raise InstallFailed(
                    f"apt does not bring the machine of {self.former.target} to "
                    f"{subject.candidate.snapshot.id}.", details=error.details,
                    hint="Read the scripts and conffiles of the packages in the lines above.",
                ) from error  # fmt: skip
            place.run(["rm", "-f", _SETTINGS], timeout=_SHORT)

    def _check_kept(self, place: Guest, before: Mapping[str, str], changed: list[str]) -> None:
        allowed = set(self.machine.removable)
        removed = sorted(before.keys() - checks.package_set(place).keys() - allowed)
        if removed:
            raise AuditFailed(
                f"The upgrade removes {', '.join(removed)}.",
                hint="If that is meant, name them in [machine] removable.",
            )
        for path in _MARKERS:
            if place.run(["cat", path], timeout=_SHORT, ok=None).stdout != "what users keep\n":
                raise AuditFailed(f"The upgrade has lost what users keep in {path}.")
        lost = find_lost(place, changed)
        if lost:
            raise AuditFailed(
                f"The upgrade has lost what the administrator has changed in {lost[0]}.",
                hint="It must be a conffile, or its package must take care of it.",
            )


def _stands_on(folder: Path, former: Installed) -> bool:
    """Say whether an upgraded machine is there, with the disk below its own that it was made on.

    That of before may have been cleared away and installed anew: under the same name, but with
    other blocks on its disk.
    """
    about = folder / "about.json"
    return about.exists() and read_json(about).get("on") == _made(former)


def _made(former: Installed) -> str:
    return sha256_of(former.folder / "about.json")


def _live_on(place: Guest, packages: list[str]) -> list[str]:
    """Do what people do with a machine: put data on it, and change the conffiles of packages."""
    place.run(["sh", "-euc", _PUT_MARKERS, "sh", *_MARKERS], timeout=_SHORT)
    paths = conffiles_of(place, packages)
    change(place, paths)
    return paths


def _put(place: Guest, path: str, text: str) -> None:
    place.run(["sh", "-euc", 'cat > "$1"', "sh", path], timeout=_SHORT, input=text)
