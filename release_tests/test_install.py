"""The candidate installs a machine from nothing, over the network, and that is as it should be."""

import pytest

pytestmark = pytest.mark.farm_gate("install")


def test_installer(machine):
    machine.prepare_installer()


def test_installs(machine):
    assert machine.install().pictures


def test_packages(machine):
    machine.check_packages()


def test_files(machine):
    machine.check_files()


def test_settled(machine):
    machine.check_settled()


def test_journal(machine):
    machine.check_journal()


def test_services(machine):
    machine.check_services()


def test_reboot(machine):
    machine.check_reboot()


def test_page(machine):
    machine.check_page()
