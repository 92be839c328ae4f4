"""Floor 2: a distribution's signed archive, through apt itself with a private configuration."""

from __future__ import annotations

import contextlib
import difflib
import functools
from datetime import timedelta
from pathlib import Path

from farm.base.errors import CommandTimeout, FarmFault, InputError, SourceError
from farm.base.files import (
    digest_of,
    link_or_copy,
    locked,
    read_json,
    sha256_of,
    sweep,
    temporary,
    write_atomically,
    write_json,
)
from farm.base.run import run
from farm.model.names import check_package
from farm.model.target import Target
from farm.source.apt_config import (
    host_settings,
    render_configuration,
    render_sources,
    render_sources_list,
)
from farm.source.apt_trouble import explain
from farm.source.generations import Generation, Generations
from farm.source.mirror import Mirror
from farm.source.package import verify_file
from farm.source.records import SourceRecord, newest, read_records

UPDATE_TIMEOUT = timedelta(minutes=10)
FETCH_TIMEOUT = timedelta(minutes=30)
_ASK_TIMEOUT = timedelta(minutes=1)
_HELPER = "/usr/lib/apt/apt-helper"


class Archive:
    """The archive of one target, read by real apt and by nothing of the host's apt state.

    Any number of processes may use it at once; see :class:`Generations`. An ``APT_CONFIG`` that
    was handed out stays good while newer states come.

    :param root: the state folder of this archive.
    """

    def __init__(self, root: Path, *, target: Target, mirror: Mirror) -> None:
        self.root = root
        self.target = target
        self.mirror = mirror
        self._sources = render_sources(mirror)
        settings = digest_of([1, self._sources, str(target)])
        self._generations = Generations(root, settings=settings)

    # For other modules that run apt's own commands on the archive.

    @property
    def generation(self) -> Path:
        """The folder of the present state: ``apt.conf``, ``lists``, ``cache``, ``status``.

        :raises FarmFault: when the archive was never read.
        """
        return self._present().path

    @property
    def lists_dir(self) -> Path:
        """The verified indexes of the present state."""
        return self.generation / "lists"

    @property
    def apt_conf(self) -> Path:
        """A complete apt.conf(5), to be given as ``APT_CONFIG``."""
        return self.generation / "apt.conf"

    def apt_env(self) -> dict[str, str]:
        """Give the environment with which any command of apt works on the present state.

        Options on the command line go before it. Whoever sets another ``Dir::State::status`` sets
        ``Dir::Cache::pkgcache`` to a file of its own too, or to nothing: the one here is for an
        empty status.
        """
        return {"APT_CONFIG": str(self.apt_conf)}

    def sources_list_text(self, *, keyring: Path | None = None) -> str:
        """Give the ``/etc/apt/sources.list`` of a chroot of the target, binary packages only.

        :param keyring: where the keys are inside the chroot, if not where they are here.
        """
        return render_sources_list(self.mirror, keyring=keyring)

    def identity(self) -> str:
        """Give a digest of the signed Release files: which state of the archive this is.

        The same state has the same identity on every mirror.
        """
        return self._present().identity

    # Reading the archive anew.

    def update(self, *, timeout: timedelta = UPDATE_TIMEOUT) -> None:
        """Read the archive anew, with ``apt-get update``; what was read before stays until then.

        :raises SourceError: when it is not signed by the keys of the configuration, when it is not
            the wanted suite, or lacks a component.
        :raises FarmFault: when it cannot be reached.
        """
        with self._locked(timeout):
            self._update(timeout)

    def ensure_fresh(self, max_age: timedelta, *, timeout: timedelta = UPDATE_TIMEOUT) -> None:
        """Read the archive anew if that was never done, or more than ``max_age`` ago.

        Costs no more than reading one small file when there is nothing to do. Of several processes
        that ask at once, one works and the others wait for it.

        :raises FarmError: as :meth:`update` does.
        """
        if not self._generations.is_fresh(max_age):
            with self._locked(timeout):
                if not self._generations.is_fresh(max_age):
                    self._update(timeout)
        if f'"{self.generation}"' not in self.apt_conf.read_text():
            self._configure(self.generation)  # the workspace was moved; apt wants whole paths

    def _present(self) -> Generation:
        present = self._generations.current()
        if present is None:
            raise FarmFault(
                f"The archive of {self.target} has not been read yet.",
                hint="Archive.ensure_fresh comes before everything else.",
            )
        return present

    def _locked(self, timeout: timedelta) -> contextlib.AbstractContextManager[float]:
        what = f"reading the archive of {self.target}"
        return locked(self.root / "lock", timeout=timeout, what=what)

    def _update(self, timeout: timedelta) -> None:
        if not self.mirror.keyring.is_file():
            raise InputError(
                f"The keyring {self.mirror.keyring} for {self.target} does not exist.",
                hint="debian-archive-keyring brings the one of Debian.",
            )
        sweep(self.root / "tmp")
        with temporary(self.root / "tmp") as folder:
            made = folder / "generation"
            self._prepare(made)
            # Only without any -q does apt say that it skips an architecture.
            words = ["update", "-o", "quiet=0", "-o", "quiet::NoProgress=true"]
            self._apt_get(words, conf=made / "apt.conf", timeout=timeout)
            generation = self._generations.adopt(made, identity=_identity(made / "lists"))
        self._configure(generation.path)
        run(["apt-cache", "gencaches"], timeout=timeout,
            env={"APT_CONFIG": str(generation.path / "apt.conf")})  # fmt: skip
        self._generations.switch(generation)

    def _prepare(self, made: Path) -> None:
        """Lay out a folder for apt, with links to the lists that may still be the same."""
        for name in ("lists/partial", "cache/archives/partial", "log"):
            (made / name).mkdir(parents=True)
        for path in (made, made / "lists"):
            path.chmod(0o755)  # sandboxes look into it under another user
        (made / "status").touch()
        before = self._generations.current()
        for path in (before.path / "lists").iterdir() if before else ():
            if path.is_file() and path.name != "lock":
                link_or_copy(path, made / "lists" / path.name)
        self._configure(made)

    def _configure(self, folder: Path) -> None:
        settings = host_settings(of_host=self.mirror.of_host)
        conf = render_configuration(folder, target=self.target, settings=settings)
        write_atomically(folder / "farm.sources", self._sources)
        write_atomically(folder / "apt.conf", conf)

    def _apt_get(
        self, words: list[str], *, conf: Path, timeout: timedelta, cwd: Path | None = None
    ) -> None:
        """Run an apt-get that talks to the archive, and say it in our words when it fails."""
        env = {"APT_CONFIG": str(conf)}
        try:
            result = run(["apt-get", *words], timeout=timeout, env=env, cwd=cwd, ok=None)
        except CommandTimeout as error:
            raise FarmFault(
                f"The archive at {self.mirror.suites[0].uri} did not answer within {timeout}.",
                details=error.details,
                hint="Look whether this machine reaches it.",
            ) from error
        trouble = explain(result, mirror=self.mirror)
        if trouble is not None:
            raise trouble

    # Source packages.

    def find_source(self, name: str) -> SourceRecord:
        """Find the highest version of a source package in the present state of the archive.

        :raises InputError: when the name is none.
        :raises SourceError: when the archive has no such source package.
        """
        return self._find(self.generation, check_package(name))

    def _find(self, generation: Path, name: str) -> SourceRecord:
        known = generation / "found" / f"{name}.json"
        if known.is_file():
            return SourceRecord.from_json(read_json(known))
        records = [one for one in _ask(generation, name, "--only-source") if one.name == name]
        record = newest(records)
        if record is None:
            raise self._missing(generation, name)
        write_json(known, record.as_json())
        return record

    def fetch_source(
        self, name: str, to: Path, *, timeout: timedelta = FETCH_TIMEOUT
    ) -> SourceRecord:
        """Download the source package that :meth:`find_source` finds into a folder.

        apt verifies the whole way from the signature to each file.

        :raises SourceError: when a file is not what the signed index says.
        :raises FarmFault: when the archive cannot be reached.
        """
        generation = self.generation
        record = self._find(generation, check_package(name))
        to.mkdir(parents=True, exist_ok=True)
        words = ["source", "--download-only", "--only-source", "-q", f"{name}={record.version}"]
        self._apt_get(words, conf=generation / "apt.conf", cwd=to, timeout=timeout)
        for file in record.files:
            verify_file(to / file.name, expected=file, of=f"{name} in the archive's index")
        return record

    def _missing(self, generation: Path, name: str) -> SourceError:
        """Say that a source package is not there, and what may have been meant."""
        builders = sorted({record.name for record in _ask(generation, name)})
        near = difflib.get_close_matches(name, _source_names(generation), n=3, cutoff=0.75)
        hint = ""
        if builders:
            hint = f"{name} is a binary package, built by the source package {builders[0]}."
        elif near:
            hint = f"Is one of these meant: {', '.join(near)}?"
        addresses = ", ".join(f"{suite.uri} {suite.name}" for suite in self.mirror.suites)
        return SourceError(
            f"No source package {name!r} in {self.target.distribution} ({addresses}).", hint=hint
        )


def _ask(generation: Path, name: str, *options: str) -> list[SourceRecord]:
    """Ask for the source records of a source package, or of one that builds a binary package."""
    result = run(
        ["apt-cache", "showsrc", *options, name], timeout=_ASK_TIMEOUT, ok=(0, 100),
        env={"APT_CONFIG": str(generation / "apt.conf")},
    )  # fmt: skip
    return list(read_records(result.stdout))


@functools.lru_cache(maxsize=4)
def _source_names(generation: Path) -> tuple[str, ...]:
    """List the source packages of a state; for messages only, since it takes a moment."""
    env = {"APT_CONFIG": str(generation / "apt.conf")}
    targets = run(
        ["apt-get", "indextargets", "--format", "$(FILENAME)", "Created-By: Sources"],
        timeout=_ASK_TIMEOUT, env=env,
    )  # fmt: skip
    files = targets.stdout.splitlines()
    text = run([_HELPER, "cat-file", *files], timeout=_ASK_TIMEOUT, env=env).stdout
    names = {line[9:] for line in text.splitlines() if line.startswith("Package: ")}
    return tuple(sorted(names))


def _identity(lists: Path) -> str:
    """Digest the Release files by suite: their names in apt's lists begin with the mirror's."""
    return digest_of(
        sorted(
            (path.name.rpartition("_dists_")[2], sha256_of(path))
            for path in lists.iterdir()
            if path.name.endswith(("_InRelease", "_Release", "_Release.gpg"))
        )
    )
