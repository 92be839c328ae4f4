"""The web interface of the IPBX: serve the page in the foreground, and fetch it.

Port 8080 of the loopback interface, because the service of an installed machine has port 80.
"""

# Not with the option -T of wget: it is broken in the busybox of Debian 12.
FETCH = "timeout 5 busybox wget -q -O - http://127.0.0.1:8080/"

# Serve the page for as long as the command in $1 takes; $server is the process that serves.
SERVE = f"""
timeout 60 bash -c '
    ipbx-web-interface --address 127.0.0.1 --port 8080 2>/dev/null & server=$!
    trap "kill $server" EXIT
    for try in $(seq 100); do
        {FETCH} >/dev/null 2>&1 && break
        sleep 0.1
    done
    eval "$1"
' bash %s
"""


def test_command_knows_its_version(host, package):
    assert host.check_output("ipbx-web-interface --version") == (
        f"ipbx-web-interface {package.version}"
    )


def test_page_shows_the_version_of_the_release(host, package):
    page = host.check_output(SERVE, FETCH)

    assert "<h1>IPBX</h1>" in page
    assert f"Version {package.version}<" in page


def test_page_asks_for_nothing_from_elsewhere(host):
    assert "://" not in host.check_output(SERVE, FETCH).replace("http://www.w3.org/2000/svg", "")


def test_what_is_not_there_is_not_found(host):
    answer = host.run(SERVE, f"{FETCH}etc/passwd")

    assert answer.rc != 0
    assert "404 Not Found" in answer.stderr


def test_server_has_no_rights_of_root(host):
    assert host.check_output(SERVE, "stat -c %U /proc/$server") == "nobody"


def test_wrong_port_is_refused(host):
    answer = host.run("ipbx-web-interface --port http")

    assert answer.rc == 2
    assert answer.stderr.startswith("ipbx-web-interface: not a port: 'http'")


def test_service_is_enabled(host):
    wanted = host.file("/etc/systemd/system/multi-user.target.wants/ipbx-web-interface.service")

    assert wanted.is_symlink
    assert host.file(wanted.linked_to).exists
