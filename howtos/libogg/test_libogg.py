"""libogg puts sound into a stream of pages: write a packet into one, and get it back."""

import pytest

pytestmark = pytest.mark.farm_install("tcc", "libc6-dev")

PROGRAM = r"""
#include <stdio.h>
#include <string.h>
#include <ogg/ogg.h>

int main(void)
{
    unsigned char hello[] = "hello, telephone";
    ogg_packet in = {.packet = hello, .bytes = sizeof hello, .b_o_s = 1, .e_o_s = 1}, out;
    ogg_stream_state sender, receiver;
    ogg_page page;

    ogg_stream_init(&sender, 4711);
    ogg_stream_init(&receiver, 4711);
    if (ogg_stream_packetin(&sender, &in) || !ogg_stream_flush(&sender, &page))
        return 1;
    printf("%.4s stream %d\n", page.header, ogg_page_serialno(&page));
    if (ogg_stream_pagein(&receiver, &page) || ogg_stream_packetout(&receiver, &out) != 1)
        return 2;
    printf("%s\n", out.packet);
    ogg_stream_clear(&sender);
    ogg_stream_clear(&receiver);
    return 0;
}
"""


def test_packet_that_is_sent_is_received(run_c):
    assert run_c(PROGRAM, "-logg").splitlines() == ["OggS stream 4711", "hello, telephone"]


def test_pkg_config_file_has_the_version(host, package):
    found = host.check_output("sed -n 's/^Version: *//p' /usr/lib/*/pkgconfig/ogg.pc")

    assert found == package.upstream_version
