"""Five tiny packages, and how to see that they work; see :mod:`release_workspace`."""

from __future__ import annotations

PACKAGES = ("demo-words", "demo-speaker", "demo-choir", "demo-clock", "demo")
TOML = """\
[workspace]
name = "demo"
refresh = "1 day"

[target.bookworm-amd64]

[policy]
lintian = "off"
build_timeout = "2 minutes"

[repository.dev]
gates = ["build", "repository", "howto"]

[repository.rc]
gates = ["build", "repository"]

[repository.production]
from = "rc"
gates = ["build", "repository", "howto"]

[package.demo-words]
folder = "packages/demo-words"

[package.demo-speaker]
folder = "packages/demo-speaker"

[package.demo-choir]
folder = "packages/demo-choir"

[package.demo-clock]
folder = "packages/demo-clock"

[package.demo]
folder = "packages/demo"
"""
PYTEST_INI = """\
[pytest]
testpaths = release_tests howtos
addopts = --import-mode=importlib --strict-markers -p no:cacheprovider
"""
CHANGELOG = """\
{name} ({version}) bookworm; urgency=medium

  * A change.

 -- Demo packagers <packagers@example.org>  Mon, 03 Nov 2025 09:00:00 +0000
"""
CONTROL = """\
Source: {name}
Section: misc
Priority: optional
Maintainer: Demo packagers <packagers@example.org>
Build-Depends: {needs}
Standards-Version: 4.6.2
Rules-Requires-Root: no

Package: {name}
Architecture: all
Depends: {depends}
Description: part of a demonstration
 It contains next to nothing, and that quickly.
"""
# Not dh(1), which takes seconds: what a build consists of is seen elsewhere.
RULES = """\
#!/usr/bin/make -f

name = {name}
version = $(shell dpkg-parsechangelog --show-field Version)

build build-arch build-indep:
	sh debian/make.sh $(name) $(version)

binary-arch:

binary binary-indep: build
	mkdir -p debian/$(name)/DEBIAN
	cp -R built/. debian/$(name)/
	dpkg-gencontrol -p$(name) -Pdebian/$(name)
	dpkg-deb --root-owner-group --build debian/$(name) ..

clean:
	rm -rf built debian/$(name) debian/files
"""
_MAKE_PROGRAM = """\
set -eu
mkdir -p built/usr/bin
cat > "built/usr/bin/$1" <<END
#!/bin/sh
case \\${{1-}} in
    --version) echo "$1 $2" ;;
    *) {command} ;;
esac
END
chmod 755 "built/usr/bin/$1"
"""
MAKE = {
    "demo-words": """\
set -eu
mkdir -p built/usr/share/demo-words
echo "Good day." > built/usr/share/demo-words/words
""",
    # Its build reads what another package of the workspace has installed.
    "demo-speaker": _MAKE_PROGRAM.format(command="echo $(cat /usr/share/demo-words/words)"),
    "demo-choir": _MAKE_PROGRAM.format(command="demo-speaker; demo-speaker"),
    "demo-clock": _MAKE_PROGRAM.format(command="date +%H:%M"),
    "demo": _MAKE_PROGRAM.format(command="demo-choir"),
}
NEEDS = {"demo-speaker": ("demo-words",)}
DEPENDS = {"demo-choir": ("demo-speaker",), "demo": ("demo-speaker", "demo-choir")}
HOWTOS = {
    "demo-words.md": """\
# Words to say

```console
$ cat /usr/share/demo-words/words
Good day.
```
""",
    "demo-speaker/test_demo_speaker.py": '''\
"""demo-speaker says what it was built with."""


def test_version(host, package):
    assert host.check_output("demo-speaker --version") == f"demo-speaker {package.version}"


def test_speech(host):
    assert host.check_output("demo-speaker") == "Good day."
''',
    "demo-choir.md": """\
# Let them all speak

```console
$ demo-choir --version
demo-choir {version}
$ demo-choir
Good day.
Good day.
```
""",
    "demo-clock.md": """\
# See what time it is

```console
$ demo-clock --version
demo-clock {version}
```
""",
    "demo/test_demo.py": '''\
"""All parts of the demonstration are there, and answer."""


def test_parts(host, package):
    assert host.check_output("demo --version") == f"demo {package.version}"
    assert host.package("demo-choir").is_installed
''',
}
