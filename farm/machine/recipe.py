"""Floor 4: files that are made in a throw-away system, of a distribution's packages and a script.

What an installer boots and unpacks is made this way: rootless, without a network, of packages that
apt has verified. It is kept under the digest of all that went in.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from farm.base.activity import Tell
from farm.base.errors import CommandError, FarmFault
from farm.base.files import digest_of, link_or_copy, locked, settle, temporary
from farm.build.builder import Ground
from farm.build.layers import Choice, install_files
from farm.model.layout import Layout
from farm.place.overlay import Bind, Overlay, new_name

_FORMAT = 1
_MAKE = timedelta(minutes=30)
_LARGEST = 8 * 2**30
OUTPUT = "/tmp/made"  # noqa: S108 - a path inside the throw-away system
"""Where a script leaves its files, inside."""


@dataclass(frozen=True)
class Recipe:
    """How files are made.

    :param name: what they are, in a word.
    :param packages: in the forms that apt-get(8) takes; what they depend on comes along.
    :param script: for sh(1), run as root inside; it leaves its files in :data:`OUTPUT`.
    :param files: the names of these.
    :param before: a script that is run before the packages are installed.
    :param binds: what the script reads besides; what that is must be told by ``identity``.
    """

    name: str
    packages: tuple[str, ...]
    script: str
    files: tuple[str, ...]
    before: str = ""
    binds: tuple[Bind, ...] = ()
    identity: str = ""

    @property
    def digest(self) -> str:
        """The digest of the recipe itself, whatever state the distribution is in."""
        return digest_of([_FORMAT, self.name, self.packages, self.before, self.script, self.files])


def make(recipe: Recipe, *, ground: Ground, layout: Layout, tell: Tell) -> Mapping[str, Path]:
    """Give the files of a recipe by name, making them unless they are there.

    :raises InstallFailed: when the packages cannot be installed together.
    :raises FarmFault: when the script fails; its last words are in the details.
    """
    choices = ground.dependencies.resolve_packages(recipe.packages)
    identities = sorted(choice.identity for choice in choices.values())
    key = digest_of([recipe.digest, recipe.identity, ground.base.key, identities])[:24]
    folder = layout.installers / f"{recipe.name}-{key}"
    if not folder.is_dir():
        lock = layout.locks / f"{folder.name}.lock"
        waiting = f"waiting for the {recipe.name}"
        with locked(lock, timeout=2 * _MAKE, what=f"making the {recipe.name}",
                    waiting=lambda: tell(waiting)):  # fmt: skip
            if not folder.is_dir():
                tell(f"making the {recipe.name}")
                _make(recipe, ground.base.tree, choices.values(), folder, layout)
    os.utime(folder)  # in use: 'farm gc' takes those that nobody has used for days
    return {name: folder / name for name in recipe.files}


def _make(recipe: Recipe, tree: Path, choices: Iterable[Choice], to: Path, layout: Layout) -> None:
    with temporary(layout.temporary, prefix=f"{recipe.name}-") as parent:
        made, debs = parent / "made", parent / "debs"
        made.mkdir()
        debs.mkdir()
        for folder in (parent, debs):
            folder.chmod(0o755)
        for choice in choices:
            link_or_copy(choice.path, debs / choice.deb.file_name)
        overlay = Overlay(
            layout.environments / new_name(recipe.name), layers=[tree],
            binds=[Bind(debs, "/farm/debs"), *recipe.binds],
        ).create()  # fmt: skip
        try:
            _cook(overlay, recipe, sorted(f"/farm/debs/{path.name}" for path in debs.iterdir()))
            for file in recipe.files:
                overlay.copy_out(f"{OUTPUT}/{file}", made / file, limit=_LARGEST)
        finally:
            overlay.remove()
        settle(made, to)


def _cook(overlay: Overlay, recipe: Recipe, debs: list[str]) -> None:
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        if recipe.before:
            overlay.run(["sh", "-euc", recipe.before], timeout=_MAKE, env=env)
        install_files(overlay, debs)
        script = f"mkdir -p {OUTPUT}\n{recipe.script}"
        overlay.run(["sh", "-euc", script], timeout=_MAKE, env=env)
    except CommandError as error:
        raise FarmFault(
            f"The {recipe.name} could not be made.", details=error.details,
            hint="Its script does not fit the packages as the distribution has them now.",
        ) from error  # fmt: skip
