"""The lines of a log that say why a build failed, from logs as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.build.excerpt import excerpt, pick, tail

EPILOGUE = """\
make[1]: Leaving directory '/build/tool-1.0'
dh_auto_build: error: make -j2 returned exit code 2
make: *** [debian/rules:6: binary] Error 25
dpkg-buildpackage: error: debian/rules binary subprocess returned exit status 2
"""
COMPILER = """\
 debian/rules binary
dh binary
   dh_auto_build
	make -j2
make[1]: Entering directory '/build/tool-1.0'
gcc -g -O2 -Werror=format-security -c -o parse.o parse.c
gcc -g -O2 -Werror=format-security -c -o main.o main.c
main.c: In function 'main':
main.c:12:5: error: 'frob' undeclared (first use in this function)
   12 |     frob();
      |     ^~~~
main.c:12:5: note: each undeclared identifier is reported only once
make[1]: *** [Makefile:10: main.o] Error 1
"""
PARALLEL = COMPILER + """\
make[1]: *** Waiting for unfinished jobs....
gcc -g -O2 -Werror=format-security -c -o other.o other.c
gcc -g -O2 -Werror=format-security -c -o third.o third.c
"""  # fmt: skip
LINKER = """\
make[1]: Entering directory '/build/tool-1.0'
gcc -o tool main.o parse.o -lm
/usr/bin/ld: main.o: in function `main':
./main.c:3: undefined reference to `frobnicate'
collect2: error: ld returned 1 exit status
make[1]: *** [Makefile:5: tool] Error 1
"""
AUTOMAKE = """\
make[3]: Entering directory '/build/tool-1.0/tests'
PASS: one.sh
FAIL: two.sh
PASS: three.sh
============================================================================
Testsuite summary for tool 1.0
============================================================================
# TOTAL: 3
# PASS:  2
# SKIP:  0
# XFAIL: 0
# FAIL:  1
# XPASS: 0
# ERROR: 0
============================================================================
See tests/test-suite.log
============================================================================
make[3]: *** [Makefile:771: test-suite.log] Error 1
make[3]: Leaving directory '/build/tool-1.0/tests'
make[2]: *** [Makefile:879: check-TESTS] Error 2
make[2]: Leaving directory '/build/tool-1.0/tests'
make[1]: *** [Makefile:952: check-am] Error 2
dh_auto_test: error: make -j2 check "TESTSUITEFLAGS=-j2 --verbose" VERBOSE=1 returned exit code 2
"""
CONFIGURE = """\
checking for gcc... gcc
checking for libfrob... no
configure: error: Package requirements (libfrob >= 2) were not met:

Package 'libfrob', required by 'virtual:world', not found

	cd . && tail -v -n \\+0 config.log
==> config.log <==
This file contains any messages produced by compilers.
configure:3032: gcc -V >&5
gcc: error: unrecognized command-line option '-V'
gcc: fatal error: no input files
{probes}configure: exit 1
dh_auto_configure: error: ./configure --build=x86_64-linux-gnu returned exit code 1
""".format(probes="| #define HAVE_FROB 1\nconftest.c:9: error: no\n" * 300)
INSTALL = """\
   dh_install
dh_install: warning: Cannot find (any matches for) "usr/bin/frob" (tried in ., debian/tmp)

dh_install: warning: tool missing files: usr/bin/frob
dh_install: error: missing files, aborting
"""
PYTEST = """\
   dh_auto_test -O--buildsystem=pybuild
I: pybuild base:240: cd /build/tool-1.0/.pybuild/build; python3.11 -m pytest tests
============================= test session starts ==============================
collected 2 items

tests/test_tool.py .F                                                    [100%]

=================================== FAILURES ===================================
___________________________________ test_two ___________________________________

    def test_two():
>       assert tool.two() == 2
E       assert 3 == 2
E        +  where 3 = <function two at 0x7f>()

tests/test_tool.py:8: AssertionError
=========================== short test summary info ============================
FAILED tests/test_tool.py::test_two - assert 3 == 2
========================= 1 failed, 1 passed in 0.02s ==========================
E: pybuild pybuild:388: test: plugin distutils failed with: exit code=1
dh_auto_test: error: pybuild --test --test-pytest -i python3.11 -p 3.11 returned exit code 13
"""
TRACEBACK = """\
   debian/rules override_dh_auto_build
python3 generate.py
Traceback (most recent call last):
  File "/build/tool-1.0/generate.py", line 1, in <module>
    import yaml
ModuleNotFoundError: No module named 'yaml'
make[1]: *** [debian/rules:9: override_dh_auto_build] Error 1
"""
RULE = "make[1]: *** No rule to make target 'man/tool.1', needed by 'all'.  Stop.\n"
PATCH = """\
dpkg-source: info: applying fix.patch
patching file main.c
Hunk #1 FAILED at 1.
1 out of 1 hunk FAILED
dpkg-source: info: the patch has fuzz which is not allowed, or is malformed
dpkg-source: error: LC_ALL=C patch -t -F 0 -N -p1 -u -V never -E -b < fix.patch failed
"""
MISSING = """\
   dh_missing
dh_missing: warning: usr/bin/extra exists in debian/tmp but is not installed to anywhere
	The following debhelper tools have reported what they installed
dh_missing: error: missing files, aborting
"""
NOISE = "".join(f"gcc -c file{number}.c\n" for number in range(100))


@pytest.mark.parametrize(("log", "cause", "last"), [
    (COMPILER, "main.c:12:5: error: 'frob' undeclared", "make[1]: *** [Makefile:10: main.o]"),
    (PARALLEL, "main.c:12:5: error: 'frob' undeclared", "make[1]: *** [Makefile:10: main.o]"),
    (LINKER, "undefined reference to `frobnicate'", "make[1]: *** [Makefile:5: tool]"),
    (AUTOMAKE, "FAIL: two.sh", "make[3]: *** [Makefile:771: test-suite.log]"),
    (CONFIGURE, "configure: error: Package requirements (libfrob >= 2)", "make: *** [debian"),
    (INSTALL, 'Cannot find (any matches for) "usr/bin/frob"', "make: *** [debian/rules:6"),
    (PYTEST, "E       assert 3 == 2", "make: *** [debian/rules:6: binary]"),
    (TRACEBACK, "ModuleNotFoundError: No module named 'yaml'", "make[1]: *** [debian/rules:9"),
    (RULE, "No rule to make target 'man/tool.1'", "No rule to make target 'man/tool.1'"),
    (PATCH, "Hunk #1 FAILED at 1.", "dpkg-source: error:"),
    (MISSING, "usr/bin/extra exists in debian/tmp", "make: *** [debian/rules:6: binary]"),
], ids=["compiler", "parallel", "linker", "automake", "configure", "dh_install", "pytest",
        "traceback", "rule", "patch", "dh_missing"])  # fmt: skip
def test_the_cause_is_shown_and_nobody_who_passed_it_on(
    tmp_path: Path, log: str, cause: str, last: str
) -> None:
    path = tmp_path / "log"
    path.write_text(NOISE + log + (EPILOGUE if log != PATCH else ""))
    shown = excerpt(path)
    assert cause in shown
    assert last in shown.splitlines()[-1]
    assert len(shown.splitlines()) <= 20
    assert "dpkg-buildpackage: error" not in shown
    assert "returned exit code" not in shown


def test_a_make_that_was_allowed_to_fail_is_not_the_cause() -> None:
    lines = ["make[2]: *** [Makefile:3: probe] Error 1", *NOISE.splitlines(), *NOISE.splitlines(),
             *NOISE.splitlines(), *NOISE.splitlines(), *NOISE.splitlines(),
             *(COMPILER + EPILOGUE).splitlines()]  # fmt: skip
    assert "main.c:12:5: error" in "\n".join(pick(lines))


def test_of_many_troubles_the_first_and_the_last_are_shown() -> None:
    errors = [f"main.c:{number}: error: bad" for number in range(100)]
    shown = pick([*errors, *EPILOGUE.splitlines()])
    assert len(shown) == 20
    assert shown[0] == "main.c:0: error: bad"
    assert shown[-2:] == ["main.c:99: error: bad", "make: *** [debian/rules:6: binary] Error 25"]
    assert "[...]" in shown


def test_without_any_sign_of_trouble_the_end_is_shown() -> None:
    shown = pick([*NOISE.splitlines(), *EPILOGUE.splitlines()])
    assert shown[-2:] == ["gcc -c file99.c", "make: *** [debian/rules:6: binary] Error 25"]


def test_warnings_that_speak_of_errors_are_none() -> None:
    lines = ["cc -Werror=format: fine", "checking for error: message... yes", "0 errors: good",
             *(f"line {number}" for number in range(30))]  # fmt: skip
    assert pick(lines)[0] == "line 10"


def test_what_a_terminal_would_obey_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"\x1b]0;title\x07\x1b[1;31merror: red\x1b[0m\x07\n 10%\r 99%\rall\n\xff\n")
    assert excerpt(path) == "error: red?\nall\n\ufffd"


def test_of_a_build_that_was_ended_the_last_lines_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("error: long ago\n" + "".join(f"{number}\n" for number in range(100)))
    assert tail(path).splitlines() == [str(number) for number in range(80, 100)]


def test_no_log_no_lines(tmp_path: Path) -> None:
    assert excerpt(tmp_path / "none") == tail(tmp_path / "none") == ""


def test_a_huge_log_is_read_from_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("x" * 6 * 2**20 + "\n" + LINKER + EPILOGUE)
    assert "undefined reference" in excerpt(path)
