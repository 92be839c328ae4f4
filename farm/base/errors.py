"""Floor 0: the errors of the farm, and nothing else.

Three kinds of trouble never get mixed up: a mistake of the user (:class:`InputError`,
:class:`ConfigError`), a farm that is broken (:class:`FarmFault`) and a release that is bad
(:class:`ProductFailure`).
"""

from __future__ import annotations

from farm.base.printable import printable


class FarmError(Exception):
    """Root of everything the farm raises on purpose.

    As text it is printable, whatever a package has put into a log or a field.

    :param brief: one sentence: what happened and why.
    :param details: more lines for whoever looks closer, such as the end of a log.
    :param hint: what to do next.
    """

    def __init__(self, brief: str, *, details: str = "", hint: str = "") -> None:
        super().__init__(brief)
        self.brief = brief
        self.details = details
        self.hint = hint

    def __str__(self) -> str:
        parts = (self.brief, self.details, self.hint)
        return printable("\n".join(part for part in parts if part))

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.brief, self.details, self.hint, self.__dict__))


def _rebuild(
    kind: type[FarmError], brief: str, details: str, hint: str, state: dict[str, object]
) -> FarmError:
    error = kind.__new__(kind)
    FarmError.__init__(error, brief, details=details, hint=hint)
    error.__dict__.update(state)
    return error


class InputError(FarmError):
    """Something the user gave on the command line or in a file cannot be used."""


class ConfigError(InputError):
    """A mistake in ``farm.toml``; the brief names the file and the dotted key."""


class SourceError(InputError):
    """A source cannot be found, or cannot be trusted."""


class FarmFault(FarmError):
    """The farm or its host is broken; says nothing about the release."""


class CommandError(FarmFault):
    """A command ended with an exit status that nobody expected."""


class CommandTimeout(FarmFault):
    """A command was still running when its time was over, and was ended."""


class WaitTimeout(FarmFault):
    """Something waited for did not happen in time."""


class PlaceError(FarmFault):
    """A place where commands run could not be made or entered."""


class ProductFailure(FarmError):
    """The release is bad: a package does not build, install or work."""


class BuildFailed(ProductFailure):
    """A package did not build."""


class Blocked(ProductFailure):
    """A package cannot be looked at because one that it needs has failed.

    :param by: the package that has failed, as ``NAME@TARGET``.
    """

    def __init__(self, brief: str, *, by: str, details: str = "", hint: str = "") -> None:
        super().__init__(brief, details=details, hint=hint)
        self.by = by


class AuditFailed(ProductFailure):
    """A rule of the repository is broken."""


class InstallFailed(ProductFailure):
    """A package does not install."""


class PromotionRefused(FarmError):
    """A repository may not be replaced: not every required item has passed."""
