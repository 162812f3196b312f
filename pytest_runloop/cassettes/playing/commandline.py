"""Command strings as the SDK and this plugin send them, told as what somebody wrote. Pure."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

_SHELLS = frozenset({"sh", "bash", "/bin/sh", "/bin/bash"})
_SHELL_FLAGS = frozenset({"-c", "-lc"})
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=", re.ASCII)
_BIN = "/tmp/openai-agents/bin/"  # noqa: S108 - where the SDK puts its helpers in a sandbox
_HELPER = re.compile(rf"{_BIN}([a-z-]+?)-(?:[0-9a-f]{{12}}|<volatile>)$")
_SHELL = re.compile(r" (?:ba)?sh -l?c ")
_INSTALL = "# INSTALL_RUNTIME_HELPER_V"
_ARGV_WITH_SCRIPT = 3


@dataclass(frozen=True)
class Line:
    """A command string taken apart: ``cd ROOT && env -- K=V … ARGV``.

    Attributes:
        cwd: Where it runs; empty if it does not say.
        env: What it sets, as ``K=V``.
        argv: What it runs; a single word if it can't be taken apart.
        user: Who it becomes; empty if it stays who it is.
    """

    cwd: str
    env: tuple[str, ...]
    argv: tuple[str, ...]
    user: str = ""


def taken_apart(command: str) -> Line:
    try:
        words = shlex.split(command)
    except ValueError:
        return Line("", (), (command,))
    cwd = ""
    if words[:1] == ["cd"] and words[2:3] == ["&&"]:
        cwd, words = words[1], words[3:]
    elif not words or words[0] == "cd":
        return Line("", (), (command,))
    user = ""
    if words[:2] == ["sudo", "-u"] and words[3:4] == ["--"]:
        user, words = words[2], words[4:]
    env: list[str] = []
    if words[:2] == ["env", "--"]:
        words = words[2:]
        while words and _ASSIGNMENT.match(words[0]):
            env.append(words.pop(0))
    return Line(cwd, tuple(env), tuple(words), user)


def shown(command: str) -> str:
    """Return a command as its author knows it: without the directory, the environment and the shell around it."""
    line = taken_apart(command)
    if line.argv == (command,):
        return command
    who = f" # as {line.user}" if line.user else ""
    if len(line.argv) >= _ARGV_WITH_SCRIPT and line.argv[0] in _SHELLS and line.argv[1] in _SHELL_FLAGS:
        # What follows a script is its own name, then its arguments.
        script, arguments = line.argv[2], shlex.join(line.argv[_ARGV_WITH_SCRIPT + 1 :])
        return f"{_first_line(script)} # with {arguments}{who}" if arguments else f"{script}{who}"
    # A pipe between two words can't be told from a quoted one any more.
    again = shlex.join(line.argv)
    return f"{again}{who}" if command.endswith(again) else command


def _first_line(script: str, *, limit: int = 50) -> str:
    line, more, _ = script.strip().partition("\n")
    return line if len(line) <= limit and not more else f"{line[:limit].rstrip()} …"


def is_written_by_somebody(command: str) -> bool:
    """Return whether a command looks like one that a test or a model asked for, rather than one of the SDK's own."""
    if _BIN in command:
        return False
    if command.startswith("cd "):
        return _SHELL.search(command) is not None
    return not command.startswith(("mkdir -p -- ", "bash -c "))


def plumbing(command: str) -> str | None:
    """Return in words what the SDK does for itself with a command; None if it is somebody's own."""
    if _BIN not in command:
        return None
    argv = taken_apart(command).argv
    helper = (
        _HELPER.search(argv[-1] if _INSTALL in command or argv[:2] == ("test", "-x") else argv[0]) if argv else None
    )
    if helper is None:
        return None
    if _INSTALL in command:
        return f"install the SDK's helper {helper[1]}"
    if argv[0] == "test":
        return f"look for the SDK's helper {helper[1]}"
    if helper[1] == "resolve-workspace-path" and len(argv) >= _ARGV_WITH_SCRIPT:
        return f"let the SDK check the path {argv[2]}"
    return f"run the SDK's helper {helper[1]}"
