"""Tiny packages, each with one fault that only a machine shows; see :mod:`faulty_workspace`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

WEB, SERVICE, FIRST, SECOND = "fault-web", "fault-service", "fault-first", "fault-second"
QUESTION, POSTINST, READER = "fault-question", "fault-postinst", "fault-reader"

CONTROL = """\
Source: {name}
Section: misc
Priority: optional
Maintainer: Demo packagers <packagers@example.org>
Build-Depends: debhelper-compat (= 13)
Standards-Version: 4.6.2
Rules-Requires-Root: no

Package: {name}
Architecture: all
Description: part of a demonstration of faults
 It has exactly one, which its name tells.
"""
# Not dh(1), which takes seconds: what a build consists of is seen elsewhere.
RULES = """\
#!/usr/bin/make -f

build build-arch build-indep binary-arch:

binary binary-indep: build
	mkdir -p debian/{name}/DEBIAN
	cp -R tree/. debian/{name}/
	cp -R scripts/. debian/{name}/DEBIAN/
	dpkg-gencontrol -p{name} -Pdebian/{name}
	dpkg-deb --root-owner-group --build debian/{name} ..

clean:
	rm -rf debian/{name} debian/files
"""
_ENABLE = """\
#!/bin/sh
set -e
[ "$1" != configure ] || systemctl --quiet enable {unit}
"""
_SOCKET = """\
[Unit]
Description=port of {name}
After={after}
[Socket]
ListenStream={port}
Accept=yes
[Install]
WantedBy=sockets.target
"""
_ANSWERING = """\
[Unit]
Description=answers of {name}
[Service]
ExecStart=/usr/lib/{name}/answer
StandardInput=socket
StandardError=journal
"""
# "/broken" has an error, "/hidden" has the text where nobody sees it.
_WEB = """\
#!/bin/sh
read -r _ path _
while read -r line && [ "${line%?}" ]; do :; done
status='200 OK' body='<p style="display: none">Telephones</p>'
[ "$path" != /broken ] || status='500 Internal Server Error' body='no such table: telephones'
printf 'HTTP/1.0 %s\\r\\nContent-Type: text/html\\r\\n\\r\\n' "$status"
echo "<html><body>$body</body></html>"
"""
_STARTING = """\
[Unit]
Description=a service that does not start
[Service]
ExecStart=/usr/lib/fault-service/start
[Install]
WantedBy=multi-user.target
"""
_START = """\
#!/bin/sh
echo "no telephone line is configured in /etc/fault-service" >&2
exit 3
"""
_TEMPLATES = """\
Template: fault-question/line
Type: string
Description: Which telephone line?
 Nobody can know that beforehand.
"""
_ASK = """\
#!/bin/sh
set -e
. /usr/share/debconf/confmodule
db_input high fault-question/line || true
db_go || true
"""
_ASKED = """\
#!/bin/sh
set -e
. /usr/share/debconf/confmodule
db_get fault-question/line
"""
_FAIL = """\
#!/bin/sh
echo "fault-postinst: the database of telephones cannot be made" >&2
exit 3
"""
_READ = """\
#!/bin/sh
set -e
printf 'Which telephone line? '
read -r line < /dev/console
"""


@dataclass(frozen=True)
class Faulty:
    """What a package consists of.

    :param files: what it installs, by path; in ``lib/`` they are programs.
    :param scripts: its maintainer's scripts and other files of control, by name.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)


def _listening(name: str, port: int, answer: str, *, after: str = "") -> Faulty:
    units = "usr/lib/systemd/system"
    return Faulty(
        {f"{units}/{name}.socket": _SOCKET.format(name=name, port=port, after=after),
         f"{units}/{name}@.service": _ANSWERING.format(name=name),
         f"usr/lib/{name}/answer": answer},
        {"postinst": _ENABLE.format(unit=f"{name}.socket")},
    )  # fmt: skip


PACKAGES = {
    WEB: _listening(WEB, 80, _WEB),
    FIRST: _listening(FIRST, 5060, "#!/bin/sh\n"),
    SECOND: _listening(SECOND, 5060, "#!/bin/sh\n", after=f"{FIRST}.socket"),
    SERVICE: Faulty(
        {f"usr/lib/systemd/system/{SERVICE}.service": _STARTING,
         f"usr/lib/{SERVICE}/start": _START},
        {"postinst": _ENABLE.format(unit=f"{SERVICE}.service")},
    ),
    QUESTION: Faulty(scripts={"templates": _TEMPLATES, "config": _ASK, "postinst": _ASKED}),
    POSTINST: Faulty(scripts={"postinst": _FAIL}),
    READER: Faulty(scripts={"postinst": _READ}),
}  # fmt: skip
