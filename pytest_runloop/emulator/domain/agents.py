"""Agents: what a client may say of them, and how one gets into a devbox. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any, cast

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.catalog import Record
from pytest_runloop.emulator.domain.problems import bad_request
from pytest_runloop.emulator.domain.steps import Step

_TOKEN = "RUNLOOP_AGENT_MOUNT_TOKEN"  # noqa: S105 - the variable's name
_CREDENTIALS = f'!f() {{ echo username=x-access-token; echo "password=${_TOKEN}"; }}; f'
_PLACED = frozenset({"git", "object"})
"""The types of sources that need a path in the devbox."""
# Where everybody finds it by its name; if even root may not write there, as in sandboxes of an ordinary user, into the
# home directory.
_NPM = """command -v npm >/dev/null || {{ echo 'npm is not installed in this devbox' >&2; exit 127; }}
where=$(npm root --global)
if [ -w "$where" ]; then npm install --global {words}
elif sudo mkdir -p "$where" 2>/dev/null && sudo test -w "$where"; then sudo npm install --global {words}
else npm install --global --prefix "$HOME/.local" {words}; fi"""
# The system's Python may be one that wants to be told twice.
_PIP = """where=$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
export PIP_BREAK_SYSTEM_PACKAGES=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
if [ -w "$where" ]; then python3 -m pip install --quiet {words}
elif sudo mkdir -p "$where" 2>/dev/null && sudo test -w "$where"
then sudo --preserve-env python3 -m pip install --quiet {words}
else python3 -m pip install --quiet --user {words}; fi"""


def parse_agent(body: Mapping[str, object]) -> dict[str, Any]:
    """Check a new agent.

    Raises:
        ApiProblem: 400 naming the guilty field.
    """
    given = cast("dict[str, Any]", _CREATE("", body))
    if not given["name"].strip():
        raise bad_request("name: empty; give the agent a name.")
    source = given.get("source")
    if source is not None:
        kind = source["type"]
        others = [name for name in _SOURCES if name in source and name != kind]
        if kind not in source or others:
            raise bad_request(f"source: its type is {kind}, so it has to have {kind} and nothing else.")
    return {"name": given["name"], "is_public": False, "source": source, "version": given.get("version")}


def check_mount(field: str, value: object) -> dict[str, str]:
    """Check a devbox's agent mount.

    Raises:
        ApiProblem: 400 naming the guilty field.
    """
    mount = {name: text for name, text in cast("dict[str, str]", _MOUNT(field, value)).items() if text}
    if not mount.keys() & {"agent_id", "agent_name"}:
        raise bad_request(f"{field}: it has neither agent_id nor agent_name; give one of them.")
    return mount


def check_mountable(agent: Record, mount: Mapping[str, str], *, field: str) -> None:
    """Check that an agent can be mounted as a devbox wants it.

    Raises:
        ApiProblem: 400.
    """
    source = agent.fields["source"]
    if source is None:
        raise bad_request(f"{field}: agent {agent.id} has no source; create one that has.")
    if source["type"] in _PLACED and not mount.get("agent_path", "").startswith("/"):
        raise bad_request(f"{field}.agent_path: agent {agent.id} is of type {source['type']}; give an absolute path.")


def install_steps(agent: Record, mount: Mapping[str, str]) -> list[Step]:
    """Say what to run in the devbox, in the user's home. An object's content is there already."""
    source = agent.fields["source"]
    kind, details = source["type"], source[source["type"]]
    title, version = f"agent mount {agent.name}", agent.fields["version"]
    steps = []
    if kind == "git":
        steps.append(_clone(title, details, ref=details.get("ref") or version, mount=mount))
    elif kind in {"npm", "pip"}:
        steps.append(_install(title, kind, details, version=version))
    enter = f"cd -- {shlex.quote(mount['agent_path'])} &&\n" if kind in _PLACED else ""
    setups = (Step(title=f"{title}: {one}", command=enter + one) for one in details.get("agent_setup", ()))
    return [*steps, *setups]


def _clone(title: str, details: Mapping[str, Any], *, ref: str | None, mount: Mapping[str, str]) -> Step:
    token, path = mount.get("auth_token"), shlex.quote(mount["agent_path"])
    options = f" -c credential.helper={shlex.quote(_CREDENTIALS)}" if token else ""
    lines = [
        f'mkdir -p -- {path} 2>/dev/null || sudo install -d -o "$(id -un)" -- {path}',
        f"git{options} clone --quiet -- {shlex.quote(details['repository'])} {path}",
    ]
    if ref:
        lines.append(f"git -C {path} checkout --quiet {shlex.quote(ref)} --")
    environment = {"GIT_TERMINAL_PROMPT": "0", **({_TOKEN: token} if token else {})}
    return Step(title=title, command="set -e\n" + "\n".join(lines), environment=environment)


def _install(title: str, kind: str, details: Mapping[str, Any], *, version: str | None) -> Step:
    package, registry = details["package_name"], details.get("registry_url")
    if kind == "npm":
        words = [f"{package}@{version}" if version else package, *([f"--registry={registry}"] if registry else [])]
        return Step(title=title, command=_NPM.format(words=shlex.join(words)))
    words = [f"{package}=={version}" if version else package, *([f"--index-url={registry}"] if registry else [])]
    return Step(title=title, command=_PIP.format(words=shlex.join(words)))


def _word(field: str, value: object) -> str:
    word = checks.text(field, value)
    if not re.fullmatch(r"[^\s-]\S*", word):
        raise bad_request(f"{field}: {word!r} is empty, begins with a hyphen or has white space in it.")
    return word


def _source_record(*required: str, **fields: checks.Check) -> checks.Check:
    return checks.record({**fields, "agent_setup": checks.list_of(checks.text)}, required=required)


_SOURCES: Mapping[str, checks.Check] = {
    "npm": _source_record("package_name", package_name=_word, registry_url=_word),
    "pip": _source_record("package_name", package_name=_word, registry_url=_word),
    "git": _source_record("repository", repository=_word, ref=_word),
    "object": _source_record("object_id", object_id=checks.text),
}
_CREATE = checks.record(
    {
        "name": checks.text,
        "source": checks.record({"type": checks.choice(tuple(_SOURCES)), **_SOURCES}, required=("type",)),
        "version": _word,
    },
    required=("name",),
)
_MOUNT = checks.record(
    dict.fromkeys(("type", "agent_id", "agent_name", "agent_path", "auth_token"), checks.text), required=("type",)
)
