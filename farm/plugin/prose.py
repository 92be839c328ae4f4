"""Floor 6: HOWTOs in prose, ``howtos/PACKAGE.md``, as pytest items.

A HOWTO is one item a target, because its commands follow each other in one place that is made
for it: whatever the order of items and the number of workers, it is run as it is read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest

from farm.base.errors import CommandTimeout, FarmError, InputError, ProductFailure
from farm.base.printable import printable
from farm.base.run import Result
from farm.model.expectation import difference
from farm.model.howto import ON_MACHINE, Howto, parse_howto
from farm.model.names import check_package
from farm.model.transcript import Step
from farm.place.protocol import Place

# login.defs(5), ENV_PATH as Debian ships it: for an ordinary user nothing in sbin is a command.
_USER_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"
# Both streams in the order in which they come; the name makes messages begin with "bash:".
_SHELL = ("/bin/bash", "-c", 'exec -a bash /bin/bash -c -- "$1" 2>&1', "bash")
_NOT_FOUND = 127  # bash(1), EXIT STATUS
_MOST_LINES = 40
_MORE_TIME = "In the HOWTO, <!-- farm: timeout=300 s --> gives each command more time."
_MORE_PACKAGES = "In the HOWTO, <!-- farm: install=NAME --> installs one more package."


@dataclass(frozen=True)
class HowtoPlace:
    """Where a HOWTO is tried: its package is installed there.

    :param version: of the package as it is installed.
    :param upstream_version: the same without epoch and Debian revision.
    :param user: the name of an ordinary user, whose home is ``/home/NAME``.
    """

    place: Place
    version: str
    upstream_version: str
    user: str


HowtoPlaces = Callable[[str, str, Sequence[str]], AbstractContextManager[HowtoPlace]]
"""Makes the place for one HOWTO: for a package, a target, and more Debian packages to install.
The context is left with the exception when the HOWTO fails, so it may keep the place."""

HOWTO_PLACES = pytest.StashKey[HowtoPlaces]()
"""In ``config.stash``; without it HOWTOs are skipped, because there is no release to try."""


class HowtoFailure(ProductFailure):
    """A command of a HOWTO did not do what the HOWTO says."""


def collect_prose(
    file_path: Path, parent: pytest.Collector, targets: Sequence[str]
) -> pytest.Collector | None:
    """Collect ``howtos/PACKAGE.md``, or that for machines, for ``pytest_collect_file``.

    :param targets: in the same order in every xdist worker.
    :returns: None for every other file, such as ``howtos/README.md``.
    """
    if file_path.suffix != ".md" or file_path.parent.name != "howtos":
        return None
    try:
        check_package(prose_package(file_path))
    except InputError:
        return None
    return ProseFile.from_parent(parent, path=file_path, targets=tuple(targets))


def prose_package(path: Path) -> str:
    """Give the package that a HOWTO in prose is about."""
    return path.stem.removesuffix(ON_MACHINE)


class ProseFile(pytest.File):
    """A HOWTO in prose: an item for each target."""

    def __init__(self, *, targets: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._targets = targets

    def collect(self) -> Iterator[ProseItem]:
        """Read the file.

        :raises pytest.Collector.CollectError: for a mistake in it.
        """
        try:
            howto = parse_howto(self.path.read_text("utf-8"), path=self.nodeid)
        except UnicodeDecodeError as error:
            raise self.CollectError(f"{self.nodeid} is not UTF-8 text: {error.reason}.") from error
        except InputError as error:
            raise self.CollectError(str(error)) from error
        for target in self._targets:
            yield ProseItem.from_parent(self, name=f"howto[{target}]", howto=howto, target=target)


class ProseItem(pytest.Item):
    """A HOWTO in prose on one target.

    :ivar farm_package: the package that the HOWTO is about.
    :ivar farm_target: the target's name.
    :ivar farm_source: the file.
    """

    def __init__(self, *, howto: Howto, target: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.farm_package = prose_package(self.path)
        self.farm_target = target
        self.farm_source = self.path
        self._howto = howto
        self._done: list[str] = []

    def runtest(self) -> None:
        """Run the commands, one after the other, until one does not do what is said.

        :raises HowtoFailure: for the first that does not.
        """
        places = self.config.stash.get(HOWTO_PLACES, None)
        if places is None:
            pytest.skip("give --release REPOSITORY to try this HOWTO on a release")
        self._done.clear()
        with places(self.farm_package, self.farm_target, self._howto.install) as where:
            for step in self._howto.steps:
                result = self._run(step, where=where)
                self._compare(step, result, where=where)
                self._done += [_as_typed(step), *_last_lines(result.stdout)]

    def _run(self, step: Step, *, where: HowtoPlace) -> Result:
        user, home = (where.user, f"/home/{where.user}")
        if step.user == "root":
            user, home = ("root", "/root")
        env = {"HOME": home, "USER": user, "LOGNAME": user}
        env |= {} if step.user == "root" else {"PATH": _USER_PATH}
        timeout = self._howto.timeout
        try:
            return where.place.run(
                [*_SHELL, step.command], timeout=timeout, user=user, cwd=home, env=env, ok=None
            )
        except CommandTimeout as late:
            raise self._failure(
                step, f"The command was still running after {timeout.total_seconds():g} s.",
                _printed(late.details), hint=_MORE_TIME,
            ) from late  # fmt: skip

    def _compare(self, step: Step, result: Result, *, where: HowtoPlace) -> None:
        values = {"package": self.farm_package, "version": where.version}
        values |= {"upstream_version": where.upstream_version}
        differs = difference(step.expected, result.stdout, values)
        if result.returncode != step.status:
            ended = f"The command ended with exit status {result.returncode}, not {step.status}."
            shown = differs or _printed(result.stdout)
            if result.stderr.strip():  # the command's own is in stdout
                shown += "\n\nThe place itself said:\n\n" + "\n".join(_last_lines(result.stderr))
            hint = _MORE_PACKAGES if result.returncode == _NOT_FOUND else ""
            raise self._failure(step, ended, shown, hint=hint)
        if differs:
            raise self._failure(step, "The command did not print what is expected.", differs)

    def _failure(self, step: Step, brief: str, details: str, *, hint: str = "") -> HowtoFailure:
        if self._done:  # an earlier output may explain it
            self.add_report_section("call", "howto", "\n".join(self._done))
        shown = f"\n{indent(_as_typed(step), '    ')}\n\n{details}\n"
        return HowtoFailure(
            f"{self.nodeid.partition('::')[0]}:{step.line}: {brief}", details=shown, hint=hint
        )

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        """Show what the farm raises as it is, and a traceback for everything else."""
        if isinstance(excinfo.value, FarmError) and not self.config.option.fulltrace:
            return str(excinfo.value).rstrip()
        return str(super().repr_failure(excinfo, style))

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """Tell where the item stands: at its first command; and its name in headlines."""
        line = self._howto.steps[0].line - 1
        return self.path, line, f"HOWTO of {self.farm_package} on {self.farm_target}"


def _as_typed(step: Step) -> str:
    prompt = "#" if step.user == "root" else "$"
    return f"{prompt} " + step.command.replace("\n", "\n> ")


def _last_lines(text: str) -> list[str]:
    lines = printable(text.rstrip()).split("\n") if text.strip() else []
    more = len(lines) - _MOST_LINES
    return [f"({more} lines are left out here)", *lines[-_MOST_LINES:]] if more > 0 else lines


def _printed(text: str) -> str:
    lines = _last_lines(text)
    return "\n".join(["It printed:", "", *lines]) if lines else "It printed nothing."
