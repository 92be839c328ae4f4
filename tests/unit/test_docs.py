"""README and docs/: every command in them is one, and every link leads somewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.config import get_config

from farm.base.errors import FarmError
from farm.cli.main import make_parser
from farm.plugin.options import add_options

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "farm" / "templates" / "workspace"
PAGES = [
    ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), TEMPLATES / "README.md.template",
]  # fmt: skip

_BLOCK = re.compile(r"^(?P<fence>`{3,})(?P<language>\w*)\n(?P<text>.*?)^(?P=fence)$", re.M | re.S)
_INLINE = re.compile(r"`((?:farm|pytest) [^`]+)`")
_LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
_CONTROL = re.compile(r"[;&|()<>]+")
_COMMENT = re.compile(r"(?:^|\s)#.*")


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def shell_lines(text: str) -> Iterator[str]:
    """What a page tells its reader to type: lines of `sh` blocks, prompts of `console` blocks."""
    for block in _BLOCK.finditer(text):
        if block["language"] == "sh":
            yield from block["text"].replace("\\\n", " ").splitlines()
        elif block["language"] == "console":
            lines = re.sub(r"\\\n(?:> )?", " ", block["text"]).splitlines()
            yield from (line[2:] for line in lines if line.startswith("$ "))


def commands(line: str) -> Iterator[list[str]]:
    """The commands of the farm in a line, without what comes before or after them."""
    for part in _CONTROL.split(_COMMENT.sub("", line)):
        command = part.strip().removeprefix("./bootstrap ")
        if command.startswith(("farm ", "pytest")):
            yield shlex.split(command)


def farm_commands(text: str) -> Iterator[list[str]]:
    for line in shell_lines(text):
        yield from commands(line)
    for mention in _INLINE.findall(_BLOCK.sub("", text)):
        words = shlex.split(mention)
        if len(words) > 2:  # a shorter one only names a command
            yield words


def complaint(words: list[str]) -> str:
    """What the real parser has against a command."""
    try:
        if words[0] == "farm":
            make_parser().parse_args(words[1:])
        else:
            parse_pytest(words[1:])
    except (FarmError, pytest.UsageError, SystemExit) as error:
        return f"{shlex.join(words)}: {error}"
    return ""


def parse_pytest(words: list[str]) -> None:
    config = get_config()
    config.pluginmanager.import_plugin("xdist.plugin")
    add_options(config._parser)
    config._parser.parse(words)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_is_understood(page: Path) -> None:
    found = [complaint(words) for words in farm_commands(page.read_text())]
    assert [each for each in found if each] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_that_is_mentioned_exists(page: Path) -> None:
    [subparsers] = [
        action.choices for action in make_parser()._actions if action.dest == "command"
    ]
    assert subparsers is not None
    mentioned = {words.split()[1] for words in _INLINE.findall(page.read_text())
                 if words.startswith("farm ")}  # fmt: skip
    assert {each for each in mentioned if each.isalpha() and each.islower()} <= set(subparsers)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    lost = [
        link for link in _LINK.findall(_BLOCK.sub("", page.read_text())) if is_lost(link, page)
    ]
    assert lost == []


def is_lost(link: str, page: Path) -> bool:
    if link.startswith("https://"):
        return False
    path, _, anchor = link.partition("#")
    target = (page.parent / path) if path else page
    if not target.exists():
        return True
    return bool(anchor) and anchor not in anchors(target.read_text())


def anchors(text: str) -> set[str]:
    """The anchors of the headings, as web sites with repositories make them."""
    headings = re.findall(r"^#+ (.+)$", _BLOCK.sub("", text), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_two_commands_of_the_readme_are_found_by_these_tests() -> None:
    found = list(farm_commands((ROOT / "README.md").read_text()))

    assert ["pytest", "-n", "8", "--release", "rc"] in found
    assert ["farm", "new", "package", "greeter"] in found
    assert ["farm", "promote", "rc", "production"] in found


@pytest.mark.parametrize(
    "command",
    ["farm promot rc production", "farm new package", "pytest --realease rc", "pytest -n"],
)
def test_what_would_be_a_complaint(command: str) -> None:
    assert complaint(shlex.split(command))


def test_every_page_is_linked_from_the_readme() -> None:
    linked = set(_LINK.findall((ROOT / "README.md").read_text()))
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= linked
