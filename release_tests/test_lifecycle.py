"""Every package can be purged, installed again, and upgraded from what users have."""

import pytest

pytestmark = pytest.mark.farm_gate("lifecycle")


def test_purge(released):
    released.check_purge()


def test_reinstall(released):
    released.check_reinstall()


def test_upgrade(released):
    released.check_upgrade()
