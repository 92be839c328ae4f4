"""Floor 5: one workspace at work: its sources, builds, candidate, keys and ledger, joined.

The pytest plugin and the command line both stand on this, and on nothing below it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

from farm.base.activity import Tell, tell_nobody
from farm.base.errors import FarmFault, PromotionRefused
from farm.base.files import sweep, write_atomically
from farm.build.builder import Builder, Ground
from farm.build.chroots import Base, Chroots
from farm.build.dependencies import Dependencies
from farm.build.failures import Failures
from farm.build.plan import Job, Plan, make_plan
from farm.build.store import BuildStore
from farm.config.settings import Package, Workspace
from farm.machine.cache import serve_cache
from farm.model.artifact import Build, SourcePackage
from farm.model.layout import Layout
from farm.model.target import Target
from farm.place import overlay
from farm.release import checks
from farm.release.attachments import find_attachments
from farm.release.candidate import Candidate, merge
from farm.release.chain import check_way, downstream
from farm.release.conditions import check_released_to
from farm.release.gates import HowtoFile, Unit
from farm.release.inputs import check_inputs
from farm.release.machines import Machines
from farm.release.order import Desk, Order, Outcome
from farm.release.presence import Presence
from farm.release.promotion import promote, rollback
from farm.release.selection import select
from farm.release.wishes import Subject
from farm.repo.content import Content, Entry
from farm.repo.signing import Key, Keys
from farm.repo.snapshot import Snapshots
from farm.repo.state import Snapshot
from farm.report.ledger import Ledger
from farm.report.records import Claim, Kind
from farm.source.archive import Archive
from farm.source.kinds import make_source
from farm.source.mirror import find_mirror
from farm.source.resolve import Source
from farm.source.store import SourceStore


class Workshop:
    """A workspace and everything that its state folder holds.

    :param run: names this run.
    :param parallel: cores for one build.
    :param tell: hears what is being done.
    """

    def __init__(
        self, workspace: Workspace, *, run: str = "", parallel: int = 1, tell: Tell = tell_nobody
    ) -> None:
        os.umask(0o022)  # sandboxes, which are nobody here, read from the state folder
        self.workspace = workspace
        self.layout = Layout(workspace.state_dir).prepare()
        self.run = run
        self.parallel = parallel
        self.tell = tell
        self.presence = Presence(self.layout.locks)
        self.presence.enter(tell=tell)
        self._archives: dict[Target, Archive] = {}
        self._grounds: dict[Target, Ground] = {}
        self._plan: Plan | None = None
        self._in_use = contextlib.ExitStack()

    @cached_property
    def ledger(self) -> Ledger:
        """The memory of verdicts and publications."""
        return Ledger(self.layout.ledger)

    @cached_property
    def snapshots(self) -> Snapshots:
        """The snapshots and the pointers to them."""
        layout = self.layout
        return Snapshots(layout.snapshots, layout.repositories, layout.locks)

    @cached_property
    def sources(self) -> SourceStore:
        """The store of source packages."""
        return SourceStore(self.layout.sources)

    @cached_property
    def store(self) -> BuildStore:
        """The store of finished builds."""
        return BuildStore(self.layout)

    def key(self, repository: str) -> Key:
        """Give the key that signs a repository; one is made before the first publication only.

        :raises FarmError: when the key is missing, expired or revoked.
        """
        configured = self.workspace.repository(repository).key
        owner = f"{self.workspace.name} {repository} repository"
        current = self.snapshots.current(repository)
        trusted = current.fingerprint if current else ""
        return Keys(self.layout.keys).key(repository, fingerprint=configured, owner=owner,
                                          trusted=trusted)  # fmt: skip

    def close(self) -> None:
        """Be at work no longer: another process may clean up now."""
        self._in_use.close()
        self.presence.leave()

    def sweep(self) -> None:
        """Remove what killed processes left behind: temporary folders and overlays."""
        sweep(self.layout.temporary)
        failures = Failures(self.layout)
        overlay.sweep(self.layout.environments, is_kept=lambda n: n in failures.environments())
        if self.workspace.machine is not None:
            self.machines.boxes.sweep()

    def archive(self, target: Target) -> Archive:
        """Give the distribution's archive of a target, its indexes not older than allowed.

        :raises SourceError: when its signature does not verify.
        :raises FarmFault: when it cannot be reached.
        """
        if target not in self._archives:
            archive = self.known_archive(target)
            self.tell(f"reading the archive of {target}")
            archive.ensure_fresh(self.workspace.refresh)
            self._archives[target] = archive
        return self._archives[target]

    def known_archive(self, target: Target) -> Archive:
        """Give the distribution's archive of a target as it was last read, if it ever was.

        :raises InputError: when nothing says where it is.
        """
        configured = self.workspace.target(str(target))
        mirror = find_mirror(self.workspace.mirror, distribution=target.distribution,
                             suites=configured.suites,
                             components=configured.components)  # fmt: skip
        return Archive(self.layout.archives / str(target), target=target, mirror=mirror)

    def ground(self, target: Target) -> Ground:
        """Give the chroot of a target and what resolves build dependencies on it."""
        if target not in self._grounds:
            archive = self.archive(target)
            base = Chroots(self.layout, tell=self.tell).ensure(archive)
            dependencies = Dependencies(self.layout, archive=archive, base=base, tell=self.tell)
            self._grounds[target] = Ground(base, dependencies)
        return self._grounds[target]

    def base(self, target: Target) -> Base:
        """Give the pristine chroot of a target."""
        return self.ground(target).base

    # What is to be built.

    def plan(self) -> Plan:
        """Fetch every source of the workspace and find the order of builds.

        :raises SourceError: when a source is not there or cannot be trusted.
        :raises InputError: when packages need each other in a circle.
        """
        if self._plan is None:
            self._plan = make_plan(self._jobs())
        return self._plan

    def _jobs(self) -> Iterable[Job]:
        for name, package in self.workspace.packages.items():
            for config in package.targets_in(self.workspace):
                self.tell(f"fetching the source of {name}")
                archive = partial(self.archive, config.target)
                source = self.sources.ensure(self.source_of(package, archive=archive))
                yield Job(name, config.target, source, tuple(package.build_profiles))

    def source_of(self, package: Package, *, archive: Callable[[], Archive]) -> Source:
        """Give where the source of a package comes from.

        :param archive: gives the archive of the target, if the source is from there.
        """
        return make_source(package, workspace=self.workspace.root, archive=archive,
                           without=(self.workspace.state_dir,))  # fmt: skip

    def load_source(self, digest: str) -> SourcePackage:
        """Give a source package of the store by its digest.

        :raises FarmFault: when it is no longer there.
        """
        return self.sources.load(digest)

    def adopt_plan(self, digests: dict[str, str]) -> Plan:
        """Make the plan from sources that another process of this run has fetched.

        :param digests: the digest of the source of every job, by job name.
        """
        jobs = []
        for name, digest in digests.items():
            package, _, target = name.partition("@")
            profiles = tuple(self.workspace.package(package).build_profiles)
            jobs.append(Job(package, Target.parse(target), self.load_source(digest), profiles))
        self._plan = make_plan(jobs)
        return self._plan

    @cached_property
    def builder(self) -> Builder:
        """Builds the jobs of the plan."""
        return Builder(self.workspace, self.layout, self.plan(), ground=self.ground, run=self.run,
                       parallel=self.parallel, tell=self.tell)  # fmt: skip

    def find_log(self, name: str, key: str) -> Path | None:
        """Give the log of a job: of its build, or else of its last failure."""
        if key and self.store.folder(key).is_dir():
            return self.store.folder(key) / "log"
        failures = Failures(self.layout).of(name)
        return Path(failures[0].log) if failures else None

    # What is to be released.

    def selection(self, packages: Sequence[str], targets: Sequence[Target]) -> tuple[str, ...]:
        """Give the jobs that a release takes along: those asked for and all that they need.

        :param packages: empty for all.
        :param targets: empty for all.
        :raises InputError: when a package is not built for any of the targets.
        """
        plan = self.plan()
        chosen = [
            name for name, job in plan.jobs.items()
            if (not packages or job.package in packages) and (not targets or job.target in targets)
        ]  # fmt: skip
        known = self.workspace.packages.items()
        folders = {name: each.folder for name, each in known if each.folder}
        return select(plan, chosen, folders=folders)

    def candidate(self, repository: str, builds: Iterable[Build]) -> Candidate:
        """Make the candidate of a repository from builds, or find it ready.

        Nobody prunes it before the next one is made, the workshop closed or the process ended.

        :raises InputError: when the repository takes over what another one holds.
        """
        check_released_to(self.workspace, repository)
        current = self.snapshots.current(repository)
        chosen = merge(builds)
        content = Content(self.workspace.name, tuple(chosen.values()))
        self.tell(f"making the candidate of {repository}")
        key = self.key(repository)
        snapshot = self.snapshots.ensure(
            content, repository=repository, origin=self.workspace.name, key=key,
            keep_from=current,
        )  # fmt: skip
        self._use(snapshot)
        return self._candidate(snapshot, chosen, key)

    def _use(self, snapshot: Snapshot) -> None:
        with contextlib.ExitStack() as use:
            use.enter_context(self.snapshots.using(snapshot))
            self._in_use.close()
            self._in_use = use.pop_all()

    def _candidate(self, snapshot: Snapshot, builds: dict[Unit, Build], key: Key) -> Candidate:
        keyring = self.layout.cache / "keyrings" / f"{key.fingerprint}.gpg"
        if not keyring.exists():
            write_atomically(keyring, key.export())
        return Candidate(snapshot, builds, keyring, self.workspace.name)

    def builds_of(self, snapshot: Snapshot) -> list[Build]:
        """Give the builds that a snapshot is made of.

        :raises FarmFault: when one is no longer in the store.
        """
        seen: dict[tuple[str, str], Build] = {}
        for entry in snapshot.entries:
            name = (entry.package, entry.build)
            if name not in seen:
                seen[name] = self._load_build(*name)
        return list(seen.values())

    def _load_build(self, package: str, key: str) -> Build:
        inputs = self.store.inputs(key)
        source = self.load_source(inputs["source"]) if inputs else None
        build = self.store.find(key, package=package, source=source) if source else None
        if build is None:
            raise FarmFault(
                f"The build {key[:16]} of {package} is no longer in the store.",
                hint="Release the whole repository again: it is built anew.",
            )
        return build

    def holders(self, repository: str) -> dict[str, Snapshot | None]:
        """Give the snapshots against which no version may go backwards."""
        names = downstream(self.workspace, repository)
        return {name: self.snapshots.current(name) for name in names}

    def check_contents(self, candidate: Candidate, target: Target) -> None:
        """See that nothing in a candidate has another content than what was published before.

        :raises AuditFailed: naming the first, and where the other content is.
        """
        entries = [each for each in candidate.snapshot.entries
                   if each.distribution == target.distribution]  # fmt: skip
        checks.check_contents(self.ledger.conflicts(_claims(entries, candidate)))

    # Publishing.

    @cached_property
    def desk(self) -> Desk:
        """Where publications are made."""
        return Desk(self.workspace.name, self.snapshots, self.ledger, self.layout.locks,
                    self.layout.receipts)  # fmt: skip

    def order(
        self, repository: str, builds: Iterable[Build], *, howtos: Sequence[HowtoFile], kind: Kind,
        expected_previous: str | None = None,
    ) -> Order:  # fmt: skip
        """Say what shall become of a repository."""
        order = Order(
            repository, Content(self.workspace.name, tuple(builds)),
            [str(gate) for gate in self.workspace.repository(repository).gates],
            lambda: self.key(repository), kind, howtos, {}, expected_previous=expected_previous,
        )  # fmt: skip
        digest = order.content.digest
        former = self.former(repository, digest)
        return replace(
            order, inputs=self.inputs(repository, digest), former=former.digest if former else "",
            attachments=find_attachments(self.layout, digest, gates=order.gates),
        )  # fmt: skip

    def inputs(self, repository: str, candidate: str) -> dict[str, str]:
        """Give what verdicts on a candidate must have been found with, by gate and check.

        :param candidate: its digest.
        """
        former = self.former(repository, candidate)
        return check_inputs(self.workspace, former=former.digest if former else "")

    # Machines.

    @cached_property
    def machines(self) -> Machines:
        """Installs machines, and gives clones of them."""
        folder = self.layout.cache / "apt-cacher-ng"
        return Machines(self.workspace, self.layout, run=self.run, tell=self.tell,
                        cache=partial(serve_cache, folder))  # fmt: skip

    def subject(self, candidate: Candidate, target: Target) -> Subject:
        """Give what a machine is installed from."""
        return Subject(candidate, target, self.ground(target), self.archive(target))

    def former(self, repository: str, candidate: str) -> Snapshot | None:
        """Give the latest other content of what users have: the end of a repository's chain.

        :param candidate: the digest of a content: it is not upgraded from itself.
        :returns: None when users have never had anything else.
        """
        last = downstream(self.workspace, repository)[-1]
        for publication in reversed(self.ledger.publications(last)):
            if publication.digest != candidate:
                return self.snapshots.find(publication.snapshot)
        return None

    def held_by_users(self, repository: str) -> Snapshot | None:
        """Give what the end of a repository's chain holds now: what users have."""
        return self.snapshots.current(downstream(self.workspace, repository)[-1])

    def offered(self, snapshot: Snapshot) -> Candidate:
        """Give a published snapshot as something that can be installed, as users install it.

        :raises FarmFault: when its builds or its public key are no longer there.
        """
        keyrings = sorted(snapshot.path.glob("*-keyring.gpg"))
        if not keyrings:
            raise FarmFault(f"The snapshot {snapshot.id} has no keyring.")
        builds = merge(self.builds_of(snapshot))
        return Candidate(snapshot, builds, keyrings[0], self.workspace.name)

    def howtos(self, units: Iterable[Unit]) -> tuple[HowtoFile, ...]:
        """Give every HOWTO file of some units, as it is now."""
        return tuple(
            howto for unit in units for howto in checks.howto_files(unit, self.workspace.root)
        )

    def publish(
        self, repository: str, candidate: Candidate, *, expected_previous: str | None = None
    ) -> Outcome:
        """Let a repository hold a candidate, if its gates have opened.

        :param expected_previous: see :attr:`farm.release.order.Order.expected_previous`.
        :raises InputError: when the repository takes over what another one holds.
        :raises PromotionRefused: when they have not, or it holds something unexpected by now.
        """
        check_released_to(self.workspace, repository)
        builds = list(candidate.builds.values())
        howtos = self.howtos(candidate.units)
        order = self.order(repository, builds, howtos=howtos, kind=Kind.PUBLISH,
                           expected_previous=expected_previous)  # fmt: skip
        return self._done(promote(order, desk=self.desk))

    def promote(self, source: str, to: str, *, expected: str | None = None) -> Outcome:
        """Let a repository take over what another one holds, if its gates have opened for that.

        :param expected: the id of what the source must hold; None for whatever it holds.
        :raises InputError: when farm.toml does not let it take over from there.
        :raises PromotionRefused: when something has not passed, or the source holds something
            else than expected.
        """
        check_way(self.workspace, source, to=to)
        snapshot = self.snapshots.current(source)
        if snapshot is None:
            raise PromotionRefused(
                f"{source} holds nothing yet, so there is nothing to promote to {to}.",
                hint=f"Release something first: pytest --release {source}",
            )
        if expected not in (None, snapshot.id):
            raise PromotionRefused(
                f"{source} holds {snapshot.id} by now, and not {expected}, which was to be "
                f"promoted to {to}.",
                hint=f"To promote what it holds now: farm promote {source} {to}",
            )
        builds = self.builds_of(snapshot)
        howtos = self.howtos(Unit(each.package, each.target) for each in builds)
        order = self.order(to, builds, howtos=howtos, kind=Kind.PROMOTE)
        return self._done(promote(order, desk=self.desk))

    def rollback(self, repository: str) -> Outcome:
        """Let a repository point back to what it held before.

        :raises InputError: when there is no such state.
        """
        self.workspace.repository(repository)
        return rollback(repository, desk=self.desk)

    def _done(self, outcome: Outcome) -> Outcome:
        keep = self.workspace.repository(outcome.repository).keep
        self.snapshots.prune(outcome.repository, keep)
        return outcome


def _claims(entries: Iterable[Entry], candidate: Candidate) -> list[Claim]:
    where = candidate.snapshot.repository
    return [Claim(each.name, each.version, each.architecture, each.sha256, where)
            for each in entries]  # fmt: skip
