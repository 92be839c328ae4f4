"""What the HOWTOs of the libraries have in common: a C program, compiled and run."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from testinfra.host import Host


@pytest.fixture
def run_c(host: Host) -> Callable[..., str]:
    """Compile C source with tcc, the smallest compiler of Debian, and run the program.

    A HOWTO that uses it installs ``tcc`` and ``libc6-dev``: 6 MB, where gcc takes 50.
    """

    def compile_and_run(source: str, *options: str) -> str:
        folder = host.check_output("mktemp -d")
        program = f"{folder}/program"
        try:
            host.check_output(
                f"printf '%%s' %s | tcc -Wall -Werror -o {program} - {' '.join(options)}", source
            )
            return host.check_output(f"timeout 20 {program}")
        finally:
            host.check_output(f"rm -r {folder}")

    return compile_and_run
