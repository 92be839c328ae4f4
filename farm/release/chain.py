"""Floor 5: which repository takes over from which: ``from`` in farm.toml."""

from __future__ import annotations

from farm.base.errors import InputError
from farm.config.settings import Workspace


def check_way(workspace: Workspace, source: str, *, to: str) -> None:
    """See that a repository may take over what another one holds.

    :raises InputError: when it may not, or one of them does not exist.
    """
    workspace.repository(source)
    expected = workspace.repository(to).promoted_from
    if expected != source:
        allowed = f"only from {expected}" if expected else "from no other repository"
        raise InputError(
            f"{to} is not promoted from {source}: farm.toml lets it take over {allowed}.",
            hint=f'That is: [repository.{to}] from = "{source}"',
        )


def downstream(workspace: Workspace, repository: str) -> list[str]:
    """Give a repository and those that are promoted from it, one after the other."""
    chain = [repository]
    for name in chain:
        chain += [each.name for each in workspace.repositories.values()
                  if each.promoted_from == name and each.name not in chain]  # fmt: skip
    return chain
