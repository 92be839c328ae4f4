"""What debconf would ask is found in its database, and whose question it is."""

from __future__ import annotations

from farm.release.machine_checks import unanswered

DATABASE = """\
Name: ipbx/admin
Template: ipbx/admin
Owners: ipbx

Name: ipbx/port
Template: ipbx/port
Value: 80
Owners: ipbx, ipbx-web
Flags: seen

Name: grub-pc/install_devices
Template: grub-pc/install_devices
Owners: grub-pc
"""


def test_a_question_of_an_own_package_that_nobody_was_asked_is_found() -> None:
    assert unanswered(DATABASE, {"ipbx", "ipbx-web"}) == ["ipbx asks ipbx/admin"]


def test_those_of_the_distribution_are_its_own_business() -> None:
    assert unanswered(DATABASE, {"other"}) == []
