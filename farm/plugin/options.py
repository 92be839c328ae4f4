"""Floor 6: the options that a release run takes, and what they were set to."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

GATE_MARK = "farm_gate(gate): this check belongs to a gate; its verdict is kept in the ledger"
INSTALL_MARK = "farm_install(package, ...): a HOWTO wants these Debian packages beside its own"


@dataclass(frozen=True)
class Options:
    """What the user asked for.

    :param release: the repository to release to; empty when nothing is to be released.
    """

    release: str
    packages: tuple[str, ...]
    targets: tuple[str, ...]
    promote: str
    fresh: bool = False

    @property
    def repositories(self) -> tuple[str, ...]:
        """Those that are to be published."""
        return (self.release, *filter(None, [self.promote]))

    @classmethod
    def of(cls, config: pytest.Config) -> Options:
        """Read them.

        :raises pytest.UsageError: for options that make no sense together.
        """
        options = cls(
            release=config.getoption("farm_release") or "",
            packages=tuple(dict.fromkeys(config.getoption("farm_package") or ())),
            targets=tuple(dict.fromkeys(config.getoption("farm_target") or ())),
            promote=config.getoption("farm_promote") or "",
            fresh=bool(config.getoption("farm_fresh")),
        )
        if options.promote and not options.release:
            raise pytest.UsageError(
                f"--promote {options.promote} needs --release: it promotes what was just released."
            )
        if options.promote and options.promote == options.release:
            raise pytest.UsageError("--promote and --release name the same repository.")
        return options


def add_options(parser: pytest.Parser) -> None:
    """Add the farm's options to those of pytest."""
    group = parser.getgroup("farm", "packaging farm")
    group.addoption(
        "--release", dest="farm_release", metavar="REPOSITORY",
        help="build what changed, verify it and publish it to REPOSITORY: dev, rc, private/NAME",
    )  # fmt: skip
    group.addoption(
        "--package", dest="farm_package", metavar="NAME", action="append",
        help="only this package and what it needs; may be given again",
    )  # fmt: skip
    group.addoption(
        "--target", dest="farm_target", metavar="TARGET", action="append",
        help="only this target, such as bookworm-amd64; may be given again",
    )  # fmt: skip
    group.addoption(
        "--promote", dest="farm_promote", metavar="REPOSITORY",
        help="after a green run let the candidate replace REPOSITORY: production",
    )  # fmt: skip
    group.addoption(
        "--fresh", dest="farm_fresh", action="store_true",
        help="try everything again, also what has passed before on identical digests",
    )  # fmt: skip
