"""libre is a library for SIP and real-time communication: compile a program against it."""

import pytest

pytestmark = pytest.mark.farm_install("tcc", "libc6-dev")

PROGRAM = r"""
#include <stdio.h>
#include <re/re.h>

int main(void)
{
    struct pl text = PL("sip:alice@192.0.2.1:5070;transport=tcp");
    struct uri uri;

    printf("libre %s\n", sys_libre_version_get());
    if (uri_decode(&uri, &text))
        return 1;
    (void)re_printf("%r calls from %r, port %u\n", &uri.user, &uri.host, uri.port);
    return 0;
}
"""


def test_program_sees_the_version_and_reads_a_sip_address(run_c, package):
    version, address = run_c(PROGRAM, "-lre").splitlines()

    assert version == f"libre {package.upstream_version}"
    assert address == "alice calls from 192.0.2.1, port 5070"


def test_pkg_config_file_has_the_version(host, package):
    found = host.check_output("sed -n 's/^Version: *//p' /usr/lib/*/pkgconfig/libre.pc")

    assert found == package.upstream_version
