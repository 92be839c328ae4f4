"""Floor 5: a new workspace, ready for its first release."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from farm.base.errors import FarmFault, InputError
from farm.base.run import run
from farm.config.mistakes import describe
from farm.config.schema import WorkspaceTable
from farm.config.settings import Workspace
from farm.config.workspace import load
from farm.model.target import Target
from farm.release.maintainer import Maintainer
from farm.release.new_package import Own, render_entry, render_package
from farm.release.scaffold import render_tree, whole_tree, write_tree

FIRST_PACKAGE = "hello-world"
"""Not ``hello``: Debian has a package of that name, whose version is higher, so apt takes that."""

_USUAL = Target("bookworm", "amd64")
_DPKG = timedelta(seconds=10)


def host_target() -> Target:
    """Give the target that is like this machine, or a usual one where that is not Debian."""
    try:
        system = platform.freedesktop_os_release()
        asked = run(["dpkg", "--print-architecture"], timeout=_DPKG)
        if system.get("ID") == "debian":
            return Target.parse(f"{system['VERSION_CODENAME']}-{asked.stdout.strip()}")
    except (OSError, KeyError, FarmFault, InputError):
        pass
    return _USUAL


@dataclass(frozen=True)
class Plan:
    """A workspace to be made.

    :param place: the folder.
    :param name: who publishes; the name of the folder when None.
    :param maintainer: of the first package; the publisher's packagers when None.
    """

    place: Path
    now: datetime
    name: str | None = None
    maintainer: Maintainer | None = None
    target: Target = _USUAL

    @property
    def publisher(self) -> str:
        """Give the name of the workspace."""
        return self.place.name if self.name is None else self.name


def make_workspace(plan: Plan) -> Workspace:
    """Make a workspace with a first package: all of it, or nothing.

    :raises InputError: when its name will not do, something is in the place already, or nothing
        can be made there.
    """
    _check_name(plan)
    with whole_tree(plan.place) as tree:
        write_tree(tree, _texts(plan))
        load(tree / "farm.toml")
    return load(plan.place / "farm.toml")


def _check_name(plan: Plan) -> None:
    try:
        WorkspaceTable.model_validate({"name": plan.publisher})
    except ValidationError as error:
        proposal = re.sub(r"[^A-Za-z0-9.-]+", "-", plan.publisher).strip(".-")[:64] or "example"
        raise InputError(
            f"The workspace cannot be called so: {describe(error.errors()[0])}",
            hint=f"Name it with --name, for instance: --name {proposal}",
        ) from None


def _texts(plan: Plan) -> dict[str, str]:
    package = Own(FIRST_PACKAGE, plan.maintainer or _packagers(plan.publisher), plan.now)
    texts = render_tree("workspace", {
        "workspace": plan.publisher, "target": str(plan.target),
    })  # fmt: skip
    tree = render_package(package, distribution=plan.target.distribution)
    texts |= {f"{package.path}/{path}": text for path, text in tree.items()}
    texts[f"howtos/{package.name}.md"] = package.render_howto()
    texts["farm.toml"] += render_entry(package)
    return texts


def _packagers(publisher: str) -> Maintainer:
    """Give the publisher's packagers, at an address that is nobody's: RFC 2606."""
    host = re.sub(r"[^a-z0-9]+", "-", publisher.lower()).strip("-")
    return Maintainer(f"{publisher} packagers", f"packagers@{host}.example")
