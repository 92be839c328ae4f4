"""libpri speaks ISDN: compile a program against it, and ask what a busy line is called."""

import pytest

pytestmark = pytest.mark.farm_install("tcc", "libc6-dev")

PROGRAM = r"""
#include <stdio.h>
#include <sys/time.h>
#include <libpri.h>

int main(void)
{
    printf("libpri %s\n", pri_get_version());
    printf("%s\n", pri_cause2str(PRI_CAUSE_USER_BUSY));
    printf("%s\n", pri_switch2str(PRI_SWITCH_EUROISDN_E1));
    return 0;
}
"""


def test_program_sees_the_version_and_names_of_isdn(run_c, package):
    version, cause, switch = run_c(PROGRAM, "-lpri").splitlines()

    assert version == f"libpri {package.upstream_version}"
    assert cause == "User busy"
    assert switch == "EuroISDN"
