"""Reading a Dockerfile: its instructions, with their lines. Knows the syntax, not what an instruction does. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_runloop.emulator.domain.words import quoted

KEYWORDS = (
    *("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER"),
    *("ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
)
_WITH_HEREDOCS = ("RUN", "COPY", "ADD")
_CONTINUED = re.compile(r"(?<!\\)\\[ \t]*$")
_DIRECTIVE = re.compile(r"#\s*([a-z]+)\s*=\s*(.*?)\s*$", re.IGNORECASE)
_FLAG = re.compile(r"--([a-z][^\s]*)\s*")
_HEREDOC = re.compile(r"""(?:(?<=\s)|^)\d*<<(?P<dash>-?)(?P<quote>["']?)(?P<name>\w+)(?P=quote)(?=\s|$)""")


class DockerfileError(Exception):
    """Report a Dockerfile that can't be built, and the line it is about."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"Dockerfile line {line}: {message}")


@dataclass(frozen=True, kw_only=True)
class Heredoc:
    """A text in the lines after its instruction."""

    marker: str
    text: str
    end: str


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """One instruction.

    Attributes:
        line: Where it begins, from 1 on.
        keyword: In upper case.
        flags: Without their two hyphens.
        argument: The rest, with continued lines joined.
    """

    line: int
    keyword: str
    flags: tuple[str, ...]
    argument: str
    heredocs: tuple[Heredoc, ...] = ()

    def __str__(self) -> str:
        """Give the instruction in one line."""
        return " ".join([self.keyword, *(f"--{flag}" for flag in self.flags), *self.argument.split()])

    @property
    def exec_form(self) -> list[str] | None:
        """Give the words of the form with brackets; None for the other one."""
        if not self.argument.startswith("["):
            return None
        try:
            value = json.loads(self.argument)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, list) and all(isinstance(word, str) for word in value) else None


def parse(text: str) -> list[Instruction]:
    """Read a Dockerfile.

    Raises:
        DockerfileError: A line can't be read.
    """
    lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    _check_directives(lines)
    numbered = iter(list(enumerate(lines, start=1)))
    instructions = list(_instructions(numbered))
    if not instructions:
        raise DockerfileError(1, "there is no instruction; a Dockerfile begins with FROM.")
    return instructions


def _check_directives(lines: list[str]) -> None:
    for number, line in enumerate(lines, start=1):
        found = _DIRECTIVE.match(line.strip())
        if found is None:
            return
        if found[1].lower() == "escape" and found[2] != "\\":
            raise DockerfileError(number, f"the escape character {found[2]!r} is not emulated; use the backslash.")


def _instructions(lines: Iterator[tuple[int, str]]) -> Iterator[Instruction]:
    for number, line in lines:
        text = "" if _is_comment(line) else _joined(line, lines)
        if text:
            yield _instruction(number, text, lines)


def _joined(line: str, following: Iterator[tuple[int, str]]) -> str:
    """Join a line with those that continue it; comments and empty lines between them don't count."""
    whole = ""
    while found := _CONTINUED.search(line):
        whole += line[: found.start()]
        line = next((one for _, one in following if one.strip() and not _is_comment(one)), "")
    return (whole + line).strip()


def _instruction(number: int, text: str, lines: Iterator[tuple[int, str]]) -> Instruction:
    keyword, argument = [*text.split(maxsplit=1), ""][:2]
    if keyword.upper() not in KEYWORDS:
        raise DockerfileError(number, f"{keyword[:40]!r} is no instruction; known are {', '.join(KEYWORDS)}.")
    flags, argument = _flags(argument)
    if not argument:
        raise DockerfileError(number, f"{keyword.upper()} needs an argument.")
    heredocs = _heredocs(number, argument, lines) if keyword.upper() in _WITH_HEREDOCS else ()
    return Instruction(line=number, keyword=keyword.upper(), flags=flags, argument=argument, heredocs=heredocs)


def _flags(argument: str) -> tuple[tuple[str, ...], str]:
    flags = []
    while found := _FLAG.match(argument):
        flags.append(found[1])
        argument = argument[found.end() :]
    return tuple(flags), argument


def _heredocs(number: int, argument: str, lines: Iterator[tuple[int, str]]) -> tuple[Heredoc, ...]:
    found = [one for one in _HEREDOC.finditer(argument) if not quoted(argument, one.start())]
    return tuple(_heredoc(number, one, lines) for one in found)


def _heredoc(number: int, found: re.Match[str], lines: Iterator[tuple[int, str]]) -> Heredoc:
    text = ""
    for _, line in lines:
        stripped = line.lstrip("\t") if found["dash"] else line
        if stripped == found["name"]:
            return Heredoc(marker=found[0], text=text, end=found["name"])
        text += f"{stripped}\n"
    raise DockerfileError(number, f"the text after {found[0]} has no end; close it with a line {found['name']}.")


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")
