"""Floor 1: the transcript of a console session, and reading one.

A transcript is what a HOWTO shows its reader: commands behind a prompt, each followed by what it
prints. ``docs/howtos.md`` tells writers of HOWTOs the rules that are kept here; what an expected
output means is in :mod:`farm.model.expectation`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from farm.base.errors import InputError

User = Literal["user", "root"]
"""Who types a command: an ordinary user behind ``$``, root behind ``#``."""

_PROMPTS: Mapping[str, User] = {"$": "user", "#": "root"}
_PROMPT = re.compile(r"(?P<prompt>[$#])(?: (?P<command>.*))?")
_STATUS = re.compile(r"\[exit status: (?P<status>\d{1,3})\]")
_ALMOST_STATUS = re.compile(r"\[\s*exit\b.*\]", re.IGNORECASE)
# Every command has a shell of its own, so alone these would silently do nothing.
_FORGOTTEN = re.compile(
    r"(?P<what>cd|pushd|popd|export|alias|umask)(?: [^;&|\n]*)?|(?P<name>[A-Za-z_]\w*)=\S*"
)


@dataclass(frozen=True)
class Step:
    """A command of a transcript, and what it promises.

    :param command: for a shell; several lines where the transcript continues it.
    :param expected: lines of output as they are written; none at all accepts every output.
    :param line: the number of the command's line in the file.
    """

    user: User
    command: str
    expected: tuple[str, ...]
    status: int
    line: int


@dataclass
class _Draft:
    user: User
    line: int
    command: list[str]
    output: list[tuple[int, str]] = field(default_factory=list)

    @property
    def unfinished(self) -> bool:
        """Whether the shell would go on reading: an odd number of backslashes at the end."""
        last = self.command[-1]
        return not self.output and (len(last) - len(last.rstrip("\\"))) % 2 == 1

    def takes(self, content: str) -> bool:
        """Add a line that continues the command, if it does."""
        marked = content == ">" or content.startswith("> ")
        if self.output or not (marked or self.unfinished):
            return False
        self.command.append(content[2:] if marked else content)
        return True


def parse_transcript(text: str, *, path: str, line: int = 1) -> tuple[Step, ...]:
    """Read the steps of a transcript.

    :param path: of the file that the text stands in, for messages.
    :param line: the number of the text's first line in that file.
    :raises InputError: for a text that is no transcript; it names the file and the line.
    """
    drafts: list[_Draft] = []
    for number, raw in enumerate(text.split("\n"), start=line):
        content, where = raw.rstrip(), f"{path}:{number}"
        prompt = _PROMPT.fullmatch(content)
        if drafts and drafts[-1].unfinished and (prompt or not content):
            raise InputError(f"{where}: The command before ends with a backslash, but stops.")
        if drafts and drafts[-1].takes(content):
            continue
        if prompt:
            drafts.append(_begin(prompt, number=number, where=where))
        elif drafts:
            drafts[-1].output.append((number, content))
        elif content:
            raise InputError(
                f"{where}: {content!r} stands before the first command.",
                hint="A command begins with '$ ' (an ordinary user) or '# ' (root).",
            )
    return tuple(_finish(draft, path=path) for draft in drafts)


def _begin(prompt: re.Match[str], *, number: int, where: str) -> _Draft:
    command = (prompt["command"] or "").strip()
    if not command:
        raise InputError(
            f"{where}: There is no command behind the prompt {prompt['prompt']!r}.",
            hint=f"If it is output, write it as '...{prompt['prompt']}'.",
        )
    return _Draft(_PROMPTS[prompt["prompt"]], number, [command])


def _finish(draft: _Draft, *, path: str) -> Step:
    command, where = "\n".join(draft.command), f"{path}:{draft.line}"
    if draft.unfinished:
        raise InputError(f"{where}: The command ends with a backslash, but stops.")
    forgotten = _FORGOTTEN.fullmatch(command)
    if forgotten:
        what = forgotten["what"] or f"Setting {forgotten['name']}"
        raise InputError(
            f"{where}: {what} alone does nothing: each command has its own shell.",
            hint="Put it in one command with what needs it: 'cd DIRECTORY && COMMAND'.",
        )
    output = _trim(draft.output)
    status = 0
    if output and (found := _STATUS.fullmatch(output[-1][1])):
        status = int(found["status"])
        output = _trim(output[:-1])
        if status > 255:
            raise InputError(f"{where}: There is no exit status {status}, 255 is the highest.")
    for number, content in output:
        if _ALMOST_STATUS.fullmatch(content):
            raise InputError(
                f"{path}:{number}: {content!r} is not understood.",
                hint="The last line of an output may say '[exit status: 1]'.",
            )
    return Step(draft.user, command, tuple(content for _, content in output), status, draft.line)


def _trim(output: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Leave out empty lines at the end."""
    while output and not output[-1][1]:
        output = output[:-1]
    return output
