"""What users have is upgraded to the candidate, keeps what is theirs, and can go back."""

import pytest

pytestmark = pytest.mark.farm_gate("upgrade")


def test_former(machine):
    machine.install_former()


def test_upgrades(machine):
    machine.check_upgrade()


def test_back(machine):
    machine.check_back()
