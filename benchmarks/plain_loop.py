"""What the farm is measured against: a plain loop of sbuild, and reprepro after it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from benchmarks.ratio import Cost, costing
from benchmarks.shop import Shop
from farm.base.errors import FarmFault
from farm.base.run import run
from farm.build.plan import Job, Plan
from farm.model.target import Target
from farm.release.workshop import Workshop

_BUILD = timedelta(hours=1)
_SHORT = timedelta(minutes=10)
_SIGNER = "benchmark@farm.example"


class PlainLoop:
    """Builds the packages of a workspace one after the other, then makes a signed repository.

    The sources are those of the farm. The chroot is an archive with build-essential in it, made
    beforehand as sbuild(1) recommends; the signing key is made beforehand too. Each package gets
    its build dependencies anew, from the same mirror that the farm downloads from.

    :param folder: an empty one that every user may enter, with a short path.
    """

    def __init__(self, shop: Shop, folder: Path) -> None:
        self._workshop: Workshop = shop.workshop()
        self._folder = folder
        self._gnupg = folder / "gnupg"
        self._plan: Plan = self._workshop.plan()

    @property
    def _targets(self) -> list[Target]:
        return sorted({job.target for job in self._plan.jobs.values()})

    def _chroot(self, target: Target) -> Path:
        return self._folder / f"{target}.tar.zst"

    def prepare(self) -> None:
        """Make the chroots and the key: they are not measured.

        :raises FarmFault: when sbuild is not installed.
        """
        if shutil.which("sbuild") is None:
            raise FarmFault("sbuild is not installed.", hint="./bootstrap tox -e bench does that.")
        self._folder.chmod(0o755)
        for target in self._targets:
            listed = self._workshop.archive(target).sources_list_text()
            argv = ["mmdebstrap", "--mode=unshare", "--variant=buildd",
                    f"--architectures={target.architecture}", target.distribution,
                    str(self._chroot(target)), "-"]  # fmt: skip
            run(argv, timeout=_SHORT, cwd=self._folder, input=listed)
        self._gnupg.mkdir(mode=0o700)
        gpg = ["gpg", "--batch", "--homedir", str(self._gnupg), "--passphrase", ""]
        run([*gpg, "--quick-generate-key", _SIGNER, "ed25519", "sign"], timeout=_SHORT)

    def close(self) -> None:
        """End the agent of gpg."""
        argv = ["gpgconf", "--homedir", str(self._gnupg), "--kill", "gpg-agent"]
        run(argv, timeout=_SHORT, ok=None)

    def measure(self, *options: str) -> Cost:
        """Run it all, and measure it.

        :param options: further ones of sbuild(1).
        """
        made = self._folder / "made"
        repository = self._folder / "repository"
        for folder in (made, repository):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        with costing() as cost:
            for name in self._plan.closure(self._plan.jobs):
                self._build(self._plan.jobs[name], made, options)
            for target in self._targets:
                self._publish(target, made, repository)
        return cost

    def _build(self, job: Job, made: Path, options: Sequence[str]) -> None:
        into = made / job.name
        into.mkdir()
        needs = [need for need in self._plan.closure([job.name]) if need != job.name]
        extra = [f"--extra-package={deb}" for need in needs for deb in (made / need).glob("*.deb")]
        argv = ["sbuild", "--chroot-mode=unshare", f"--chroot={self._chroot(job.target)}",
                f"--dist={job.target.distribution}", f"--arch={job.target.architecture}",
                f"--profiles={','.join(job.profiles)}", "--nolog",
                *extra, *options, str(job.source.dsc.path)]  # fmt: skip
        run(argv, timeout=_BUILD, cwd=into)
        if not any(into.glob("*.deb")):
            raise FarmFault(f"sbuild made no package of {job.name}.")

    def _publish(self, target: Target, made: Path, repository: Path) -> None:
        (repository / "conf").mkdir(exist_ok=True)
        (repository / "conf" / "distributions").write_text(
            f"Codename: {target.distribution}\nComponents: main\nSignWith: {_SIGNER}\n"
            f"Architectures: {target.architecture} source\n"
        )
        reprepro = ["reprepro", "--silent", "--basedir", str(repository),
                    "--gnupghome", str(self._gnupg)]  # fmt: skip
        # A source has no section of its own, and not every package a priority.
        include = [*reprepro, "--export=silent-never", "--section=misc", "--priority=optional"]
        debs = sorted(str(path) for path in made.glob(f"*@{target}/*.deb"))
        run([*include, "includedeb", target.distribution, *debs], timeout=_SHORT)
        for job in self._plan.jobs.values():
            if job.target == target:
                dsc = str(job.source.dsc.path)
                run([*include, "includedsc", target.distribution, dsc], timeout=_SHORT)
        run([*reprepro, "export"], timeout=_SHORT)
