"""Floor 5: what must hold of a machine that was installed from a candidate, or upgraded to it.

Each check looks at a running machine through its own tools, and tells in a sentence what is wrong.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from datetime import timedelta

from debian.debfile import DebFile

from farm.base.errors import AuditFailed, CommandTimeout, PlaceError, WaitTimeout
from farm.base.waiting import wait_for
from farm.config.settings import Machine, Page
from farm.machine.browser import Sight
from farm.model.artifact import BinaryPackage
from farm.place.protocol import Place
from farm.release.candidate import Candidate
from farm.release.installs import Installed
from farm.release.machines import Running
from farm.release.wishes import Subject

_SHORT = timedelta(minutes=2)
_TRY = timedelta(seconds=20)
_BOOT = timedelta(minutes=6)
_SHOWN = 20
_PAGE_SECONDS = 20
_LARGEST_PAGE = 2**22
_LIST = ("dpkg-query", "--show", "--showformat",
         "${Package}\\t${Version}\\t${Architecture}\\t${Status}\\n")  # fmt: skip
_INSTALLED = "install ok installed"
# What differs from one boot to the next in a line of the journal.
_CHANGING = re.compile(r"\[[0-9]+\]|0x[0-9a-f]+|\b[0-9]+(\.[0-9]+)?s?\b")


def installed_packages(place: Place) -> dict[str, tuple[str, str]]:
    """Give version and dpkg's status of each package, by name: dpkg-query(1)."""
    lines = place.run(_LIST, timeout=_SHORT).stdout.splitlines()
    rows = [line.split("\t") for line in lines]
    return {name: (version, status) for name, version, _, status in rows}


def check_packages(running: Running, subject: Subject, machine: Machine) -> None:
    """See that exactly the candidate's packages are installed, in its versions and contents.

    :raises AuditFailed: for a package that is missing, has another version, is not whole, or has
        other files than the candidate's of the same version.
    """
    found = installed_packages(running.place)
    own = subject.candidate.binaries(subject.target)
    wrong = [f"{name} is not installed" for name in machine.packages if name not in found]
    wrong += [f"{name} is {status}" for name, (_, status) in found.items() if status != _INSTALLED]
    for name in sorted(found.keys() & own.keys()):
        version = found[name][0]
        if version != own[name].version:
            wrong.append(f"{name} has version {version}, the candidate {own[name].version}")
    if not wrong:
        wrong = _foreign_files(running.place, [own[name] for name in found.keys() & own.keys()])
    if not found.keys() & own.keys():
        wrong.append("no package of the candidate is installed")
    _refuse("the machine does not have exactly the candidate's packages", wrong)


def _foreign_files(place: Place, binaries: Iterable[BinaryPackage]) -> list[str]:
    """Compare what dpkg keeps of each package's contents with the candidate's own file."""
    wrong = []
    for binary in sorted(binaries, key=lambda each: each.name):
        with binary.file.path.open("rb") as stream:
            package = DebFile(fileobj=stream)
            if not package.control.has_file("md5sums"):
                wrong += _other_files(place, binary, package)
                continue
            sums = package.md5sums(encoding="utf-8")
        names = (f"{binary.name}.md5sums", f"{binary.name}:{binary.architecture}.md5sums")
        argv = ["sh", "-c", 'cd /var/lib/dpkg/info; cat "$1" 2>/dev/null || cat "$2"', "cat"]
        text = place.run([*argv, *names], timeout=_SHORT, ok=None).stdout
        lines = (line.partition("  ") for line in text.splitlines())
        found = {name: digest for digest, _, name in lines if name}
        if found != {name.removeprefix("./"): value for name, value in sums.items()}:
            wrong.append(f"{binary.name} {binary.version} was not installed from the candidate")
    return wrong


def _other_files(place: Place, binary: BinaryPackage, package: DebFile) -> list[str]:
    """Compare the files themselves, for a package that has no list of their digests."""
    tar = package.data.tgz()
    wanted = {
        member.name.removeprefix("./"): hashlib.md5(stream.read()).hexdigest()  # noqa: S324
        for member in tar.getmembers()
        if member.isfile() and (stream := tar.extractfile(member))
    }
    conffiles = package.control.get_content("conffiles", encoding="utf-8") or ""
    names = [name for name in wanted if f"/{name}" not in str(conffiles).split()]
    if not names:
        return []
    done = place.run(["md5sum", "--", *(f"/{name}" for name in names)], timeout=_SHORT, ok=None)
    found = {line.split("  /", 1)[-1]: line[:32] for line in done.stdout.splitlines()}
    if all(found.get(name) == wanted[name] for name in names):
        return []
    return [f"{binary.name} {binary.version} was not installed from the candidate"]


def check_files(running: Running) -> None:
    """See that every file of every package is as its package says: dpkg(1), --verify.

    :raises AuditFailed: naming those that are not.
    """
    done = running.place.run(["dpkg", "--verify"], timeout=_BOOT, ok=None)
    _refuse("files of packages are not as they were packaged", done.stdout.splitlines())


def check_settled(running: Running, subject: Subject) -> None:
    """See that nothing is failed, held, half configured, or waits for an answer.

    :raises AuditFailed: naming what is.
    """
    place = running.place
    words = ["systemctl", "--failed", "--plain", "--no-legend", "list-units"]
    failed = place.run(words, timeout=_SHORT, ok=None).stdout.splitlines()
    wrong = [f"the unit {line.split()[0]} has failed" for line in failed if line.strip()]
    state = place.run(["systemctl", "is-system-running"], timeout=_SHORT, ok=None).stdout.strip()
    if state != "running":
        wrong.append(f"systemd says that the system is {state}")
    held = place.run(["apt-mark", "showhold"], timeout=_SHORT).stdout.split()
    wrong += [f"{name} is held" for name in held]
    wrong += place.run(["dpkg", "--audit"], timeout=_SHORT, ok=None).stdout.splitlines()
    database = place.run(["cat", "/var/cache/debconf/config.dat"], timeout=_SHORT, ok=None).stdout
    wrong += unanswered(database, set(subject.candidate.binaries(subject.target)))
    _refuse("the machine has not settled", wrong)


def unanswered(database: str, names: set[str]) -> list[str]:
    """Find questions of some packages that debconf would ask: debconf-devel(7), flag "seen"."""
    found = []
    for stanza in database.split("\n\n"):
        fields = dict(re.findall(r"^(\w+): (.*)$", stanza, re.MULTILINE))
        owners = set(re.split(r"[, ]+", fields.get("Owners", "")))
        if owners & names and "seen" not in fields.get("Flags", ""):
            found.append(f"{', '.join(sorted(owners & names))} asks {fields.get('Name')}")
    return found


def errors_of(installed: Installed) -> list[str]:
    """Give the errors in the journal of the first boot."""
    path = installed.folder / "logs" / "errors.log"
    return path.read_text().splitlines() if path.exists() else []


def check_journal(place: Place, *, known: Iterable[str]) -> None:
    """See that the journal has no error that was not there before.

    :param known: errors that a machine of what was released before has too.
    :raises AuditFailed: naming them.
    """
    argv = ["journalctl", "--boot", "--priority=err", "--no-pager", "--output=cat"]
    lines = place.run(argv, timeout=_SHORT).stdout.splitlines()
    before = {_CHANGING.sub("#", line) for line in known}
    fresh = [line for line in lines if line.strip() and _CHANGING.sub("#", line) not in before]
    _refuse("the journal has errors", fresh)


def check_services(running: Running, machine: Machine) -> None:
    """See that services are active and enabled, and that ports answer.

    :raises AuditFailed: naming those that are not.
    """
    place, wrong = running.place, []
    for unit in machine.services:
        for verb, wanted in (("is-active", "active"), ("is-enabled", "enabled")):
            state = place.run(["systemctl", verb, unit], timeout=_SHORT, ok=None).stdout.strip()
            if state != wanted:
                wrong.append(f"{unit} is {state or 'not there'}, and not {wanted}")
    listening = place.run(["ss", "-H", "-l", "-n", "-t", "-u"], timeout=_SHORT).stdout
    ports = {(line.split()[0], line.split()[4].rpartition(":")[2])
             for line in listening.splitlines() if len(line.split()) > 4}  # fmt: skip
    for each in machine.listen:
        protocol, _, port = each.partition("/")
        if (protocol, port) not in ports:
            wrong.append(f"nothing listens on {each}")
    _refuse("services are not as they should be", wrong)


def reboot(running: Running) -> None:
    """Boot a machine again, from its disk, and wait until it is up.

    :raises AuditFailed: when it does not come back.
    """
    place = running.place
    argv = ["cat", "/proc/sys/kernel/random/boot_id"]
    before = place.run(argv, timeout=_SHORT).stdout
    with contextlib.suppress(PlaceError):  # it may go down before it has answered
        place.run(["systemctl", "reboot"], timeout=_SHORT, ok=None)
    place.hang_up()

    def is_back() -> bool:
        with contextlib.suppress(PlaceError, CommandTimeout):
            return place.run(argv, timeout=_TRY).stdout != before
        return False

    try:
        wait_for(is_back, what="The reboot", timeout=_BOOT)
    except WaitTimeout as error:
        raise AuditFailed(
            f"The machine does not come back after a reboot within {_BOOT}.",
            hint="Its console tells why: farm shell machine",
        ) from error
    place.run(["systemctl", "is-system-running", "--wait"], timeout=_BOOT, ok=None)


def page_text(page: Page, candidate: Candidate, subject: Subject) -> str:
    """Give the text that a page must show."""
    if page.package is None:
        return page.text
    binaries = candidate.binaries(subject.target)
    if page.package not in binaries:
        raise AuditFailed(f"The candidate has no {page.package}, whose version the page shows.")
    return page.text.replace("{version}", binaries[page.package].version)


def page_url(running: Running, page: Page) -> str:
    """Give the address of a page of a machine, from this host."""
    return f"http://127.0.0.1:{running.ports[page.port]}{page.path}"


def check_page(running: Running, page: Page, text: str) -> None:
    """See that a page answers with status 200 and has the text in it.

    :raises AuditFailed: saying what it answered instead.
    """
    url = page_url(running, page)
    try:
        with urllib.request.urlopen(url, timeout=_PAGE_SECONDS) as answer:  # noqa: S310 - http
            body = answer.read(_LARGEST_PAGE).decode(errors="replace")
    except urllib.error.HTTPError as error:
        raise AuditFailed(f"The page {page.path} answers with status {error.code}.") from error
    except OSError as error:
        raise AuditFailed(
            f"The page {page.path} on port {page.port} does not answer: {error}."
        ) from error
    if text not in body:
        raise AuditFailed(f"The page {page.path} does not show {text!r}.",
                          details=body[:1000])  # fmt: skip


def check_sight(sight: Sight, page: Page, text: str) -> None:
    """See that a page is displayed as a person would want it.

    :raises AuditFailed: when the text cannot be read on it, or something of it does not work.
    """
    if text not in sight.text:
        raise AuditFailed(f"The page {page.path} does not display {text!r}.",
                          details=sight.text[:1000])  # fmt: skip
    if sight.problems:
        raise AuditFailed(f"The page {page.path} has errors: {sight.problems[0]}.",
                          details="\n".join(sight.problems))  # fmt: skip


def _refuse(what: str, wrong: list[str]) -> None:
    lines = [line for line in wrong if line.strip()]
    if lines:
        more = len(lines) - _SHOWN
        shown = [*lines[:_SHOWN], *([f"… and {more} more"] if more > 0 else [])]
        first = "" if len(lines) == 1 else f"Of {len(lines)} things the first: "
        raise AuditFailed(
            f"{first}{lines[0].strip()}; so {what}.",
            details="\n".join(shown), hint="Look at it: farm shell machine",
        )  # fmt: skip


def package_set(place: Place) -> Mapping[str, str]:
    """Give the versions of all packages, by name."""
    return {name: version for name, (version, _) in installed_packages(place).items()}
