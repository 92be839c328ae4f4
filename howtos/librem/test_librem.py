"""librem processes sound and pictures: play the tones of a telephone's keys, and hear them."""

import pytest

pytestmark = pytest.mark.farm_install("tcc", "libc6-dev")

PROGRAM = r"""
#include <stdio.h>
#include <re/re.h>
#include <rem/rem.h>

enum { RATE = 8000 };

static void heard(char digit, void *arg)
{
    (void)arg;
    putchar(digit);
}

int main(void)
{
    static const int16_t silence[RATE / 10];
    const char *digits = "0123456789*#";
    struct dtmf_dec *ear = NULL;

    if (dtmf_dec_alloc(&ear, RATE, 1, heard, NULL))
        return 1;
    for (; *digits; digits++) {
        struct mbuf *tone = mbuf_alloc(2 * RATE);  /* a second, two bytes a sample */

        if (!tone || autone_dtmf(tone, RATE, *digits))
            return 2;
        dtmf_dec_probe(ear, (int16_t *)tone->buf, RATE / 10);
        dtmf_dec_probe(ear, silence, RATE / 10);
        mem_deref(tone);
    }
    mem_deref(ear);
    return 0;
}
"""


def test_keys_that_are_played_are_heard(run_c):
    assert run_c(PROGRAM, "-lrem", "-lre") == "0123456789*#"


def test_pkg_config_file_has_the_version(host, package):
    found = host.check_output("sed -n 's/^Version: *//p' /usr/lib/*/pkgconfig/librem.pc")

    assert found == package.upstream_version
