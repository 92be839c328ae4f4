"""One release of the IPBX: exactly the versions that were tried together, and they answer."""

import re


def test_every_part_is_installed_in_exactly_the_version_of_the_release(host):
    depends = host.check_output("dpkg-query --show --showformat '${Depends}' ipbx")

    wanted = dict(re.findall(r"(\S+) \(= (\S+)\)", depends))
    installed = {name: host.package(name).version for name in wanted}

    assert {"ipbx-config", "ipbx-web-interface"} <= set(wanted)
    assert installed == wanted


def test_no_part_is_left_half_installed(host):
    assert host.check_output("dpkg --audit") == ""


def test_tools_of_the_release_answer(host, package):
    assert host.check_output("ipbx-config --version").endswith(package.version)
    assert host.check_output("ipbx-web-interface --version").endswith(package.version)
    assert host.check_output("ipbx-config get system.name") == "ipbx"
    assert "sipsak" in host.check_output("sipsak --version")
