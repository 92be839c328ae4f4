"""A workspace in which a test makes packages whose build does what the test wants, good or bad."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.errors import BuildFailed
from farm.base.run import run
from farm.build.failures import Failure, Failures
from farm.config.workspace import load
from farm.model.artifact import Build
from farm.model.layout import Layout
from farm.place.namespace import remove_tree
from farm.place.overlay import label_of
from farm.release.workshop import Workshop

TARGET = "bookworm-amd64"
_MINUTE = timedelta(minutes=1)
_TOML = """\
[workspace]
name = "test"
state = "{state}"
refresh = "30 days"

[target.bookworm-amd64]

[policy]
{policy}

[repository.rc]
gates = ["build"]
"""
_CHANGELOG = """\
{name} (1.0) bookworm; urgency=medium

  * First.

 -- Somebody <somebody@example.org>  Mon, 03 Nov 2025 09:00:00 +0000
"""
_SOURCE = """\
Source: {name}
Section: misc
Priority: optional
Maintainer: Somebody <somebody@example.org>
Standards-Version: 4.6.2
Rules-Requires-Root: no
"""
_BINARY = """
Package: {name}
Architecture: any
Description: part of a test
 It contains next to nothing.
"""
# Not dh(1), which takes seconds.
_RULES = """\
#!/usr/bin/make -f

build build-arch build-indep:
	sh -e debian/make.sh

binary-arch binary-indep:

binary: build
{binaries}
	sh -e debian/after.sh

clean:
	rm -rf debian/files debian/tmp-*
"""
_DEB = """\
	mkdir -p debian/tmp-{name}/DEBIAN debian/tmp-{name}/usr/share/doc/{name}
	if [ -e made ]; then cp made debian/tmp-{name}/usr/share/doc/{name}; fi
	dpkg-gencontrol -p{name} -Pdebian/tmp-{name}
	dpkg-deb --root-owner-group --build debian/tmp-{name} ..
"""


@dataclass
class BuildWorkspace:
    """The workspace; all its packages share a state folder."""

    root: Path
    policy: Mapping[str, str] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)

    @property
    def layout(self) -> Layout:
        """The state folder."""
        return Layout(self.root / ".farm")

    def write(
        self,
        name: str,
        make: str = "",
        *,
        after: str = "",
        declares: Sequence[str] = (),
        builds: Sequence[str] = (),
        files: Mapping[str, str] | None = None,
        config: str = "",
    ) -> None:
        """Write a source package.

        :param make: a shell script that is run in the source tree before packages are made.
        :param after: one that is run when they are made.
        :param declares: the binary packages that debian/control names; one of its name when empty.
        :param builds: those that are made; all of them when empty.
        :param files: more files, by path.
        :param config: more lines for its table in farm.toml.
        """
        folder = self.root / "packages" / name
        declared = declares or (name,)
        control = _SOURCE.format(name=name) + "".join(_BINARY.format(name=x) for x in declared)
        debs = "".join(_DEB.format(name=each) for each in builds or declared)
        texts = {
            "debian/changelog": _CHANGELOG.format(name=name), "debian/control": control,
            "debian/rules": _RULES.format(binaries=debs), "debian/make.sh": make + "\n",
            "debian/after.sh": after + "\n", "debian/source/format": "3.0 (native)\n",
        }  # fmt: skip
        for path, text in (texts | dict(files or {})).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        (folder / "debian/rules").chmod(0o755)
        self.packages[name] = f'[package.{name}]\nfolder = "packages/{name}"\n{config}\n'

    def workshop(self, *, run: str = "", **policy: str) -> Workshop:
        """Be at work, with other limits than usual."""
        lines = [f'{name} = "{value}"' for name, value in {**self.policy, **policy}.items()]
        text = _TOML.format(policy="\n".join(lines), state=self.layout.root)
        (self.root / "farm.toml").write_text(text + "\n" + "\n".join(self.packages.values()))
        return Workshop(load(self.root / "farm.toml"), run=run or str(time.monotonic_ns()))

    def build(self, name: str, **policy: str) -> Build:
        """Build one package."""
        workshop = self.workshop(**policy)
        try:
            return workshop.builder.ensure(f"{name}@{TARGET}")
        finally:
            workshop.close()

    def build_once(self, name: str) -> None:
        """See that a package has been built, so that what all packages need is there."""
        if name not in self.packages:
            self.write(name)
            self.build(name)

    def forget_layers(self) -> None:
        """Remove the installed build dependencies, as if nothing had ever been built."""
        for path in self.layout.trees.glob("layer-*"):
            remove_tree(path)

    def fail(self, name: str, **policy: str) -> tuple[BuildFailed, Failure]:
        """Build one package that does not build; gives the error and what is remembered of it."""
        with pytest.raises(BuildFailed) as caught:
            self.build(name, **policy)
        assert caught.value.brief.startswith(f"{name}@{TARGET} does not build: ")
        failure = self.failure(name)
        assert f"farm shell {name}@{TARGET}" in caught.value.hint
        assert failure.log in caught.value.details
        return caught.value, failure

    def failure(self, name: str) -> Failure:
        """Give the latest failure of a package."""
        return Failures(self.layout).of(f"{name}@{TARGET}")[0]

    def kept(self, failure: Failure) -> Path:
        """Give the top layer of a kept environment."""
        return Failures(self.layout).folder(failure) / "upper"

    def leftovers(self) -> list[str]:
        """Give what lies in folders that are empty when nobody is at work and nothing failed."""
        folders = (self.layout.environments, self.layout.temporary)
        kept = Failures(self.layout).environments()
        names = {path.name for each in folders if each.is_dir() for path in each.iterdir()}
        return sorted(name for name in names if name.removesuffix(".lock") not in kept)

    def processes(self) -> list[int]:
        """Give the processes that have an environment of this workspace mounted."""
        names = [path for path in self.layout.environments.iterdir() if path.is_dir()]
        labels = tuple(f"{label_of(path)} " for path in names)
        return [pid for pid in _pids() if any(x.startswith(labels) for x in _mounts(pid))]


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208


def _mounts(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/mounts").read_text(errors="replace").splitlines()
    except OSError:
        return []


def wait_until(condition: Callable[[], object], *, what: str, seconds: float = 30) -> None:
    """Wait for something, with a bound."""
    pause = threading.Event()
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for: {what}"
        pause.wait(0.02)


def made_in(build: Build) -> str:
    """Give the file ``made`` that a build put into its package."""
    package = build.binaries[0]
    path = f"usr/share/doc/{package.name}/made"
    with tempfile.TemporaryDirectory() as folder:
        run(["dpkg-deb", "--extract", package.file.path, folder], timeout=_MINUTE)
        return (Path(folder) / path).read_text()
