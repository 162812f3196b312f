"""What is put into a devbox beside texts: stored objects and repositories of code. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.agents import check_mount
from pytest_runloop.emulator.domain.problems import bad_request
from pytest_runloop.emulator.domain.steps import Step

_REPO_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
_TOKEN = "RUNLOOP_CODE_MOUNT_TOKEN"  # noqa: S105 - the variable's name
_CREDENTIALS = f'!f() {{ echo username=x-access-token; echo "password=${_TOKEN}"; }}; f'


@dataclass(frozen=True, kw_only=True)
class CodeMount:
    """A repository to clone.

    Attributes:
        ref: The branch, tag or commit to check out; None for the default branch.
        install: What to run in the clone; None for nothing.
    """

    owner: str
    name: str
    token: str | None = None
    ref: str | None = None
    install: str | None = None

    def steps(self, *, source: str | None = None) -> list[Step]:
        """Say what to run, in the home of whose the clone shall be.

        Args:
            source: What to clone from, and remove afterwards; None for GitHub.
        """
        where, origin = shlex.quote(self.name), shlex.quote(f"https://github.com/{self.owner}/{self.name}.git")
        options = f" -c credential.helper={shlex.quote(_CREDENTIALS)}" if self.token and source is None else ""
        lines = [f"git{options} clone --quiet -- {origin if source is None else shlex.quote(source)} {where}"]
        if source is not None:
            lines += [f"rm -f -- {shlex.quote(source)}", f"git -C {where} remote set-url origin {origin}"]
        if self.ref is not None:
            lines.append(f"git -C {where} checkout --quiet {shlex.quote(self.ref)}")
        environment = {"GIT_TERMINAL_PROMPT": "0", **({_TOKEN: self.token} if self.token else {})}
        steps = [Step(title=f"code mount {self.title}", command=" &&\n".join(lines), environment=environment)]
        if self.install is not None:
            command = f"cd {where} &&\n{self.install}"
            steps.append(Step(title=f"code mount {self.title}: {self.install}", command=command))
        return steps

    @property
    def title(self) -> str:
        """What it is called."""
        return f"{self.owner}/{self.name}"


def parse_mounts(mounts: Sequence[Mapping[str, Any]], code_mounts: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Check the mounts of a create request that aren't files, in order; the old form of code mounts comes last.

    Raises:
        ApiProblem: 400 naming the guilty field.
    """
    found = [
        cast("dict[str, str]", CHECKS[str(mount["type"])](f"mounts[{index}]", mount))
        for index, mount in enumerate(mounts)
        if mount.get("type") in CHECKS
    ]
    old = parse_code_mounts(code_mounts)
    return [*found, *({"type": "code_mount", **mount} for mount in old)]


def parse_code_mounts(mounts: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Check code mounts in their old form, which has no type.

    Raises:
        ApiProblem: 400 naming the guilty field.
    """
    return [
        cast("dict[str, str]", _OLD_CODE_MOUNT(f"code_mounts[{index}]", mount)) for index, mount in enumerate(mounts)
    ]


def code_mount(mount: Mapping[str, str]) -> CodeMount:
    """Read a checked code mount."""
    return CodeMount(
        owner=mount["repo_owner"],
        name=mount["repo_name"],
        token=mount.get("token") or None,
        ref=mount.get("git_ref") or None,
        install=mount.get("install_command") or None,
    )


def _repo_word(field: str, value: object) -> str:
    word = checks.text(field, value)
    if not _REPO_NAME.fullmatch(word):
        raise bad_request(f"{field}: {word!r} can't be in a repository's name; use letters, digits, '.', '_' and '-'.")
    return word


def _ref(field: str, value: object) -> str:
    word = checks.text(field, value)
    if word.startswith("-"):
        raise bad_request(f"{field}: {word!r} is no branch, tag or commit.")
    return word


def _path(field: str, value: object) -> str:
    path = checks.text(field, value)
    if not path:
        raise bad_request(f"{field}: empty; give a path in the devbox.")
    return path


_CODE: Mapping[str, checks.Check] = MappingProxyType(
    {
        "repo_owner": _repo_word,
        "repo_name": _repo_word,
        "token": checks.text,
        "git_ref": _ref,
        "install_command": checks.text,
    }
)
_OLD_CODE_MOUNT = checks.record(_CODE, required=("repo_owner", "repo_name"))
CHECKS: Mapping[str, checks.Check] = MappingProxyType(
    {
        "object_mount": checks.record(
            {"type": checks.text, "object_id": checks.text, "object_path": _path},
            required=("type", "object_id", "object_path"),
        ),
        "agent_mount": check_mount,
        "code_mount": checks.record({"type": checks.text, **_CODE}, required=("type", "repo_owner", "repo_name")),
    }
)
"""The mounts known here, by type."""
