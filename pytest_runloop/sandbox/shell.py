"""Command strings and sandbox paths. Pure.

The strings have the form the Agents SDK sends itself: ``cd ROOT && env -- K=V … ARGV``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TypeAlias

from pytest_runloop.errors import SpecError

Command: TypeAlias = str | Sequence[str]
"""A shell string, run by ``bash -c``, or an argv."""

PathLike: TypeAlias = str | PurePosixPath
"""A path in the sandbox; relative ones start at the workspace root."""

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def argv_of(command: Command) -> list[str]:
    """Return the argv that runs a command.

    Raises:
        SpecError: It is neither text nor a non-empty sequence of texts, or holds a NUL.
    """
    argv = ["bash", "-c", command] if isinstance(command, str) else _words(command)
    if not argv or not all(isinstance(word, str) for word in argv) or command == "":
        message = f"exec: {command!r} is not a command; give a shell string, or a list of strings"
        raise SpecError(message, field="command")
    if any("\0" in word for word in argv):
        message = f"exec: {command!r} holds a NUL character, which no command can; remove it"
        raise SpecError(message, field="command")
    return argv


def _words(command: object) -> list[str]:
    # No set: it has no order.
    return list(command) if isinstance(command, Sequence) else []


def display(command: Command) -> str:
    """Return a command as a reader wants to see it."""
    return command if isinstance(command, str) else shlex.join(command)


def check_env(env: object, *, field: str) -> None:
    """Refuse what can't be an environment.

    Raises:
        SpecError: A name or a value is impossible; values are never part of the message, they may be secret.
    """
    if not isinstance(env, Mapping):
        message = f"{field}: a {type(env).__name__} is not a mapping of names to strings"
        raise SpecError(message, field=field)
    for name, value in env.items():
        if not _ENV_NAME.fullmatch(str(name)):
            message = f"{field}: {name!r} is not a variable name; use letters, digits and _, not starting with a digit"
            raise SpecError(message, field=field)
        if not isinstance(value, str):
            message = f"{field}: {name} is a {type(value).__name__}, not a string; write str(…) around it"
            raise SpecError(message, field=field)
        if "\0" in value:
            message = f"{field}: the value of {name} holds a NUL character, which no variable can; remove it"
            raise SpecError(message, field=field)


def command_line(argv: Sequence[str], *, cwd: str, env: Mapping[str, str], user: str | None) -> str:
    """Return the string to send.

    Args:
        argv: What to run.
        cwd: Absolute directory to run it in.
        env: Variables to set.
        user: Another account to run it as. ``sudo`` clears the environment, so the variables are set after it.
    """
    assignments = ["env", "--", *(f"{name}={env[name]}" for name in sorted(env))] if env else []
    become = ["sudo", "-u", user, "--"] if user is not None else []
    return f"cd {shlex.quote(cwd)} && {shlex.join([*become, *assignments, *argv])}"


def absolute(path: PathLike, *, root: str) -> str:
    """Return a sandbox path made absolute.

    Raises:
        SpecError: It is empty or holds a NUL.
    """
    text = str(path)
    if not text or "\0" in text:
        message = f"{path!r} is not a path; give one relative to {root}, or an absolute one"
        raise SpecError(message, field="path")
    return str(PurePosixPath(root, text))
