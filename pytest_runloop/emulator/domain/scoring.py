"""How a scoring function is run in a devbox, and what its end means. Pure."""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SCORE = re.compile(r"score\s*=\s*([-+.\w]+)", re.IGNORECASE)
_AST_GREP_LOOKED = frozenset({0, 1})
"""What ast-grep ends with if it found something, and if not."""
_PLAIN = re.compile(r"\d+(\.\d+)*")
_REQUIREMENT = re.compile(r"\s*(==|!=|<=|>=|~=|<|>)\s*(\d+(?:\.\d+)*)(\.\*)?\s*")


@dataclass(frozen=True, kw_only=True)
class Task:
    """What has to happen in the devbox.

    Attributes:
        files: Text by path, written first.
        command: For bash; its standard output and exit status are the result.
    """

    files: Mapping[str, str]
    command: str


@dataclass(frozen=True, kw_only=True)
class Grade:
    """What a scoring function found out.

    Attributes:
        score: From 0 to 1.
        output: What it printed.
        error: Why there is no score; empty if there is one.
    """

    score: float
    output: str
    error: str = ""


def task(
    scorer: Mapping[str, Any], *, scratch: str, working_directory: str | None, custom_script: str | None = None
) -> Task:
    """Say how a scorer is run.

    Args:
        scorer: As the scenario has it.
        scratch: A directory for its files, which nobody else uses.
        working_directory: Where it runs; None for the home directory.
        custom_script: The script of its type, if it is a custom one.
    """
    enter = f"cd -- {shlex.quote(working_directory)} && " if working_directory else ""
    script, context = f"{scratch}/script", f"{scratch}/context"
    if scorer["type"] == "python_script_scorer":
        return _python_task(scorer, script=script, scratch=scratch, enter=enter)
    if scorer["type"] == "ast_grep_scorer":
        return Task(files={}, command=_ast_grep(scorer, scratch=scratch, enter=enter))
    if scorer["type"] == "custom_scorer":
        files = {script: custom_script or "", context: json.dumps(scorer.get("scorer_params", {}))}
        return Task(files=files, command=f'export RL_SCORER_CONTEXT="$(cat {context})"; {enter}bash {script}')
    text = next(scorer[field] for field in ("command", "bash_script", "test_command") if field in scorer)
    tests = {
        posixpath.join(working_directory or "", one["file_path"]): one["file_contents"]
        for one in scorer.get("test_files", ())
    }
    return Task(files={**tests, script: text}, command=f"{enter}bash {script}")


def grade(scorer: Mapping[str, Any], *, exit_status: int, stdout: str, output: str) -> Grade:
    """Say what a scorer's end means.

    Args:
        scorer: As the scenario has it.
        exit_status: How its command ended.
        stdout: What that printed on standard output.
        output: What it printed on both.
    """
    kind = scorer["type"]
    if kind in {"command_scorer", "test_based_scorer"}:
        return Grade(score=1.0 if exit_status == 0 else 0.0, output=output)
    if kind == "ast_grep_scorer":
        return _found(exit_status=exit_status, stdout=stdout, output=output)
    if kind == "python_script_scorer" and exit_status != 0:
        return Grade(score=0.0, output=output, error=f"The script ended with exit status {exit_status}.")
    lines = stdout.split()
    words = lines[-1:] if kind == "python_script_scorer" else _SCORE.findall(stdout)[-1:]
    wanted = "a number from 0.0 to 1.0 at the end" if kind == "python_script_scorer" else "score=0.0 to score=1.0"
    score = _number(words[0] if words else "")
    if score is None:
        return Grade(score=0.0, output=output, error=f"The script's standard output does not have {wanted}.")
    return Grade(score=score, output=output)


def _found(*, exit_status: int, stdout: str, output: str) -> Grade:
    if exit_status not in _AST_GREP_LOOKED:
        return Grade(score=0.0, output=output, error=f"ast-grep could not look: exit status {exit_status}.")
    return Grade(score=1.0 if stdout.strip() else 0.0, output=output)


def total(weights: Sequence[float], scores: Sequence[float]) -> float:
    """Weigh scores; weights that don't sum to 1 count in proportion."""
    weight = sum(weights)
    return sum(one * score for one, score in zip(weights, scores, strict=True)) / weight if weight else 0.0


def satisfies(version: str, constraint: str) -> bool:
    """Say whether a Python version is one that a constraint such as ``>=3.10,<4`` allows.

    Raises:
        ValueError: The constraint can't be read.
    """
    found = _parts(version)
    return all(_allows(found, part) for part in constraint.split(","))


def _allows(found: tuple[int, ...], part: str) -> bool:
    requirement = _REQUIREMENT.fullmatch(part)
    if requirement is None:
        raise ValueError(f"{part!r} is no constraint")
    operator, wanted = requirement[1], _parts(requirement[2])
    if requirement[3] or operator == "~=":
        same = found[: len(wanted) - (operator == "~=")] == wanted[: len(wanted) - (operator == "~=")]
        return same is not (operator == "!=") and (operator != "~=" or found >= wanted)
    width = max(len(found), len(wanted))
    left, right = (one + (0,) * (width - len(one)) for one in (found, wanted))
    return {
        "==": left == right,
        "!=": left != right,
        "<=": left <= right,
        ">=": left >= right,
        "<": left < right,
        ">": left > right,
    }[operator]


def _parts(version: str) -> tuple[int, ...]:
    plain = _PLAIN.match(version)
    return tuple(int(part) for part in plain[0].split(".")) if plain else ()


def _ast_grep(scorer: Mapping[str, Any], *, scratch: str, enter: str) -> str:
    """Run what the devbox has, or else what PyPI has. The pattern is between double quotes, as the API says it is."""
    venv = f"{scratch}/venv"
    install = f"{{ python3 -m venv {venv} && {venv}/bin/python -m pip install ast-grep-cli; }} >&2"
    language = f" --lang {shlex.quote(scorer['lang'])}" if scorer.get("lang") else ""
    search = f'ast-grep run --pattern "{scorer["pattern"]}"{language} -- {shlex.quote(scorer["search_directory"])}'
    path = f'export PATH="$PATH:{venv}/bin"'
    return f"{path}; command -v ast-grep >&2 || {install} || exit 127; {enter}{search}"


def _python_task(scorer: Mapping[str, Any], *, script: str, scratch: str, enter: str) -> Task:
    files, python = {script: scorer["python_script"]}, "python3"
    install = ""
    if scorer.get("requirements_contents", "").strip():
        files[f"{scratch}/requirements.txt"] = scorer["requirements_contents"]
        python = f"{scratch}/venv/bin/python"
        # To standard error: what is printed last on the other one is the score.
        install = (
            f"{{ python3 -m venv {scratch}/venv && {python} -m pip install -r {scratch}/requirements.txt; }} >&2 && "
        )
    return Task(files=files, command=f"{install}{enter}{python} {script}")


def _number(word: str) -> float | None:
    try:
        score = float(word)
    except ValueError:
        return None
    return score if 0 <= score <= 1 else None
