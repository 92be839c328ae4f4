"""Floor 5: the checks of the repository gate: what must hold before a snapshot may enter."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from debian.deb822 import PkgRelation
from debian.debian_support import Version

from farm.base.errors import AuditFailed, FarmFault, InstallFailed
from farm.base.files import digest_of, sha256_of, temporary
from farm.base.run import run
from farm.build.aptview import AptView
from farm.model.artifact import BinaryPackage, Build
from farm.model.howto import ON_MACHINE, needs_machine
from farm.model.target import Target
from farm.release.candidate import Candidate
from farm.release.gates import HowtoFile, Unit
from farm.release.versions import find_backwards
from farm.repo.snapshot import Snapshot
from farm.report.records import Conflict

_LINT = timedelta(minutes=20)
# Tags about an upload to Debian itself, which a publisher's own repository is not.
_NOT_OURS = (
    "bad-distribution-in-changes-file", "changed-by-invalid-for-derivative",
    "initial-upload-closes-no-bugs", "newer-standards-version", "no-nmu-in-changelog",
    "source-nmu-has-incorrect-version-number", "unreleased-changes", "wrong-bug-number-in-closes",
)  # fmt: skip

_LINTIAN = ("lintian", "--allow-root", "--no-cfg", "--profile", "debian", "--color", "never",
            "--suppress-tags", ",".join(_NOT_OURS))  # fmt: skip


def check_installable(candidate: Candidate, unit: Unit, view: AptView) -> None:
    """Let real apt find every binary package of a unit installable, from this candidate.

    Relations that apt resolves are those of the candidate and of the distribution's archive.

    :raises InstallFailed: with apt's reason, for the first one that is not.
    """
    binaries = candidate.builds[unit].binaries
    try:
        _solve(view, binaries)
    except InstallFailed:
        # Packages of one source may conflict with each other on purpose: one at a time, then.
        for each in binaries:
            _solve(view, [each])


def _solve(view: AptView, binaries: Iterable[BinaryPackage]) -> None:
    binaries = list(binaries)
    words = [f"{each.name}={each.version}" for each in binaries]
    try:
        # The base may have the very same version, built by somebody else.
        debs = view.solve("--reinstall", "install", *words)
    except InstallFailed as error:
        raise InstallFailed(
            f"apt cannot install {', '.join(each.name for each in binaries)} from the candidate.",
            details=error.details, hint="Look at its Depends: is every package there, at the "
            "version asked for, in the candidate or in the distribution?",
        ) from error  # fmt: skip
    chosen = {(deb.name, deb.version) for deb in debs}
    missing = [each.name for each in binaries if (each.name, each.version) not in chosen]
    if missing:
        raise InstallFailed(f"apt would not take {', '.join(missing)} from the candidate.")


def check_dependencies(candidate: Candidate, unit: Unit, *, policy: str, own: bool) -> None:
    """Look whether a unit asks for other packages of the candidate as the policy wants.

    ``exact``: packages whose packaging is the workspace's own ask for one exact version, the one
    that the candidate has. Imported packages keep the relations that their distribution gave them;
    the candidate's version must satisfy those, as for all under ``compatible``. Where these have
    an alternative that the candidate does not have, apt alone decides.

    :param own: whether the packaging is the workspace's own.
    :raises AuditFailed: naming the relation and what the candidate has.
    """
    if policy == "off":
        return
    others = candidate.binaries(unit.target)
    mine = {each.name for each in candidate.builds[unit].binaries}
    for binary in candidate.builds[unit].binaries:
        for group in _relations(binary):
            known = [each for each in group if each["name"] in others]
            exact = policy == "exact" and own
            is_open = not exact and len(known) < len(group)
            if known and not is_open and not any(each["name"] in mine for each in known):
                _check_group(binary, known, others, exact=exact)


def _relations(binary: BinaryPackage) -> list[list[Any]]:
    texts = [binary.field(name) for name in ("Pre-Depends", "Depends")]
    groups: list[list[Any]] = []
    for text in filter(None, texts):
        groups += PkgRelation.parse_relations(text)
    return groups


def _check_group(
    binary: BinaryPackage,
    group: list[Any],
    others: Mapping[str, BinaryPackage],
    *,
    exact: bool,
) -> None:
    if any(_is_satisfied(each, others[each["name"]], exact=exact) for each in group):
        return
    name = group[0]["name"]
    have = others[name].version
    relation = " ".join(group[0].get("version") or ("any version",))
    exactly = f"The policy wants exact versions: write '{name} (= {have})' in debian/control."
    raise AuditFailed(
        f"{binary.name} {binary.version} asks for {name} ({relation}), and the candidate has "
        f"{name} {have}.",
        hint=exactly if exact else "Give one of the two a version that fits.",
    )


# deb-src-control(5): relations between versions; an order is negative, zero or positive.
_HOLDS: Mapping[str, Callable[[int], bool]] = {
    "=": lambda order: order == 0,
    ">=": lambda order: order >= 0,
    "<=": lambda order: order <= 0,
    ">>": lambda order: order > 0,
    "<<": lambda order: order < 0,
}


def _is_satisfied(relation: Any, other: BinaryPackage, *, exact: bool) -> bool:
    wanted = relation.get("version")
    if wanted is None:
        return not exact
    sign, version = wanted
    if exact and sign != "=":
        return False
    have, asked = Version(other.version), Version(version)
    return sign in _HOLDS and _HOLDS[sign]((have > asked) - (have < asked))


def check_versions(
    candidate: Candidate, unit: Unit, holders: Mapping[str, Snapshot | None]
) -> None:
    """Look whether no version of a unit goes backwards against what repositories hold now.

    :param holders: the current snapshots by repository.
    :raises AuditFailed: naming the package, both versions and the repository.
    """
    offered = [each for each in candidate.snapshot.entries
               if each.package == unit.package
               and each.distribution == unit.target.distribution]  # fmt: skip
    for repository, snapshot in holders.items():
        found = find_backwards(offered, held=snapshot.entries if snapshot else ())
        if found:
            raise AuditFailed(
                f"{found[0]}, which {repository} holds.",
                details="\n".join(str(each) for each in found),
                hint="Give it a higher version in its changelog.",
            )


def check_contents(conflicts: Sequence[Conflict]) -> None:
    """Refuse a second content under one name, version and architecture.

    :param conflicts: what the ledger has found.
    :raises AuditFailed: when there is any.
    """
    if conflicts:
        raise AuditFailed(
            f"{conflicts[0]}.",
            details="\n".join(str(each) for each in conflicts[:20]),
            hint="Give the package a higher version in its changelog, and build it again.",
        )


def check_lint(build: Build, *, level: str, temporary_dir: Path) -> None:
    """Run lintian on a build and its source.

    :param level: ``error``, ``warning`` or ``info``: the lowest severity that fails; or ``off``.
    :param temporary_dir: where it may work.
    :raises AuditFailed: with lintian's tags.
    """
    if level == "off":
        return
    source = (build.source.dsc, *build.source.files)
    with temporary(temporary_dir, prefix="lint-") as folder:
        for file in (*source, *(each.file for each in build.binaries)):
            shutil.copyfile(file.path, folder / file.name)  # writable: lintian insists on that
        names = [build.source.dsc.name, *(each.file.name for each in build.binaries)]
        argv = [*_LINTIAN, "--fail-on", _FAIL_ON[level], "--display-level", f">={level}"]
        env = {"DEB_VENDOR": "debian", "TMPDIR": str(folder)}
        result = run([*argv, *names], timeout=_LINT, ok=(0, 2), env=env, cwd=folder,
                     shown=["lintian", *names])  # fmt: skip
    tags = [line for line in result.stdout.splitlines() if line[:2] in ("E:", "W:", "I:")]
    if result.returncode == 2:
        raise AuditFailed(
            f"lintian finds fault with {build.package} {build.version}: {len(tags)} tags of level "
            f"{level} or above.",
            details="\n".join(tags[:40]),
            hint="Mend them, or override those that are wrong: lintian(1), OVERRIDES.",
        )


_FAIL_ON = {"error": "error", "warning": "error,warning", "info": "error,warning,info"}


def check_howto(package: str, *, folder: Path) -> None:
    """Look whether a package has a HOWTO that is tried in a chroot.

    :param folder: the workspace's ``howtos``.
    :raises AuditFailed: when it has none, or only such that need a machine.
    """
    found = find_howtos(package, folder=folder)
    if all(needs_machine(path) for path in found):
        why = (
            "has no HOWTO but for machines, so it would go out untried where none is installed"
            if found
            else "has no HOWTO, so nobody knows how to see that it works"
        )
        raise AuditFailed(
            f"{package} {why}.",
            hint=f"Write howtos/{package}.md or howtos/{package}/test_{package}.py; "
            f"'{package} --version' is a beginning.",
        )


def find_howtos(package: str, *, folder: Path) -> list[Path]:
    """Give the HOWTO files of a package: ``NAME.md``, ``NAME/test_*.py``, and for machines."""
    prose = [folder / f"{package}{ending}.md" for ending in ("", ON_MACHINE)]
    python = sorted((folder / package).glob("test_*.py"))
    return [*(path for path in prose if path.is_file()), *python]


def howto_files(unit: Unit, root: Path) -> list[HowtoFile]:
    """Give the HOWTO files of a unit, with digests of all that decides what they try.

    :param root: the workspace.
    """
    folder = root / "howtos"
    shared = [root / "conftest.py", *sorted(folder.glob("*.py"))]
    found = []
    for path in find_howtos(unit.package, folder=folder):
        beside = path.parent.rglob("*") if path.parent != folder else [path]
        together = [*shared, *sorted(beside)]
        parts = [
            [each.relative_to(root).as_posix(), sha256_of(each)]
            for each in together
            if each.is_file() and "__pycache__" not in each.parts
        ]
        found.append(HowtoFile(unit, path.relative_to(root).as_posix(), digest_of(parts)[:32]))
    return found


def check_signatures(candidate: Candidate, target: Target, view: AptView) -> None:
    """See that apt, trusting the repository's key alone, has taken its indexes.

    The view was made by a real ``apt-get update`` which fails for a bad signature or digest; what
    is left to see is that its lists really hold the candidate.

    :raises AuditFailed: when they do not.
    """
    lists = view.folder / "lists"
    names = [path.name for path in lists.iterdir() if target.distribution in path.name]
    if not any(name.endswith("InRelease") and "snapshots" in name for name in names):
        raise AuditFailed("apt took no signed index of the candidate.")
    binaries = candidate.binaries(target)
    if not binaries:
        raise FarmFault(f"The candidate holds nothing for {target}.")
