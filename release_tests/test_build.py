"""Every package builds on every target, and gives every binary package that it declares."""

import pytest

pytestmark = pytest.mark.farm_gate("build")


def test_build(job):
    assert job.build().binaries
