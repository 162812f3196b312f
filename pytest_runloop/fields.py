"""The arguments of ``mark.runloop``: their names, their types, and what is said about a wrong one. Pure.

Only what can be judged without the Agents SDK is judged here; ``Provisioner.check`` does the rest.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict, get_args

from pytest_runloop.blueprint import Blueprint
from pytest_runloop.errors import SpecError
from pytest_runloop.spec import FileSource, Scope

if TYPE_CHECKING:
    from pytest_runloop.sandbox.handle import Sandbox

LAST_PORT = 65535


class MarkFields(TypedDict, total=False):
    """The arguments of ``mark.runloop`` and of ``runloop_sandbox_factory``: all by keyword, all optional.

    Where an SDK model is meant, a mapping of its fields does as well. None means the default.

    Attributes:
        blueprint: A blueprint's name, its ``bpt_…`` id, or a ``Blueprint`` that says what to build it from.
        blueprint_id: The id, as the SDK spells it. A test can ask for one blueprint, in one of the three ways.
        blueprint_name: The name, as the SDK spells it.
        env_vars: Environment of every command.
        pause_on_exit: Suspend the devbox at the end instead of deleting it.
        name: The devbox's name in the dashboard.
        timeouts: The SDK's ``RunloopTimeouts``: seconds, each at least 1.
        exposed_ports: Ports that ``sandbox.url(port)`` can reach, 1 to 65535.
        user_parameters: The SDK's ``RunloopUserParameters``: account and uid.
        launch_parameters: The SDK's ``RunloopLaunchParameters``: size, lifetime and so on.
        tunnel: The SDK's ``RunloopTunnelConfig``.
        gateways: Name to the SDK's ``RunloopGatewaySpec``.
        mcp: Name to the SDK's ``RunloopMcpSpec``.
        metadata: Labels of the devbox.
        managed_secrets: Name to a secret's value, or to the SDK's ``RunloopExistingSecret``.
        manifest: The SDK's ``Manifest``.
        files: Path in the sandbox to its content: text, bytes, or the ``Path`` of a local file.
        setup: Shell commands run in order, or a callable that gets the sandbox: run once, for all who ask for the same.
        scope: Tests that ask for the same in this scope share one sandbox.
    """

    blueprint: str | Blueprint | None
    blueprint_id: str | None
    blueprint_name: str | None
    env_vars: Mapping[str, str] | None
    pause_on_exit: bool | None
    name: str | None
    timeouts: object
    exposed_ports: Iterable[int] | None
    user_parameters: object
    launch_parameters: object
    tunnel: object
    gateways: Mapping[str, object] | None
    mcp: Mapping[str, object] | None
    metadata: Mapping[str, str] | None
    managed_secrets: Mapping[str, object] | None
    manifest: object
    files: Mapping[str, FileSource] | None
    setup: str | Iterable[str] | Callable[[Sandbox], object] | None
    scope: Scope | Literal["function", "class", "module", "session"] | None


NAMES: tuple[str, ...] = tuple(MarkFields.__annotations__)
BLUEPRINTS = frozenset({"blueprint", "blueprint_id", "blueprint_name"})

Complaint: TypeAlias = "str | None"
"""What is wrong with a value, and what would be right; None if nothing is."""


def check(fields: Mapping[str, object], *, where: str) -> None:
    """Accept arguments or say what is wrong.

    Args:
        fields: Arguments of the mark by name.
        where: Which test, and where the arguments were written; opens the message.

    Raises:
        SpecError: The first argument that has no such name, a wrong type or an impossible value.
    """
    for name, value in fields.items():
        if name not in NAMES:
            msg = f"{where}: unexpected keyword argument {name!r}; {_suggestion(name, NAMES)}"
            raise SpecError(msg, field=str(name))
        complaint = None if value is None else _RULES[name](value)
        if complaint is not None:
            msg = f"{where}: {name}: {complaint}"
            raise SpecError(msg, field=name)
    given = [name for name in sorted(BLUEPRINTS) if fields.get(name) is not None]
    if len(given) > 1:
        msg = f"{where}: {' and '.join(given)} are given, but a sandbox has one blueprint; keep one of them"
        raise SpecError(msg, field=given[-1])


def _suggestion(word: object, known: Iterable[str]) -> str:
    # Only a mistake pays for it.
    import difflib

    known = list(known)
    close = difflib.get_close_matches(str(word), known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"


def _text(value: object) -> Complaint:
    if isinstance(value, str) and value:
        return None
    return f"{_shown(value)} is not a non-empty str"


def _blueprint(value: object) -> Complaint:
    if isinstance(value, Blueprint):
        return _description(value)
    if isinstance(value, str) and value:
        return None
    return f"{_shown(value)} is neither a non-empty str nor a pytest_runloop.Blueprint"


def _description(blueprint: Blueprint) -> Complaint:
    for name in ("dockerfile", "base"):
        value = getattr(blueprint, name)
        if value is not None and not (isinstance(value, str) and value):
            return f"its {name}: {_shown(value)} is not a non-empty str"
    if not _are_texts(blueprint.setup_commands):
        return f"its setup_commands: {_shown(blueprint.setup_commands)} is not a tuple of shell commands, each a str"
    complaint = _texts_by_name(blueprint.files)
    if complaint is not None:
        return f"its files: {complaint}"
    relative = [path for path in blueprint.files if not path.startswith("/")]
    return f"its files: {relative[0]!r} is not an absolute path; begin it with /" if relative else None


def _blueprint_id(value: object) -> Complaint:
    if isinstance(value, str) and value and not value.startswith("bpt_"):
        return f"{value!r} does not begin with bpt_, as ids do; give a name as blueprint_name"
    return _text(value)


def _flag(value: object) -> Complaint:
    return None if isinstance(value, bool) else f"{_shown(value)} is not True or False"


def _ports(value: object) -> Complaint:
    if isinstance(value, str) or not isinstance(value, Iterable):
        return f"{_shown(value)} is not a sequence of ports, such as (8080,)"
    for port in value:
        if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= LAST_PORT:
            return f"{port!r} is not a port; ports are whole numbers from 1 to {LAST_PORT}"
    return None


def _model(value: object) -> Complaint:
    """Accept a mapping or anything that looks like a pydantic model; pydantic itself is not loaded yet."""
    if isinstance(value, Mapping) or hasattr(type(value), "model_fields"):
        return None
    return f"{_shown(value)} is neither the SDK's model nor a mapping of its fields"


def _texts_by_name(value: object) -> Complaint:
    return _mapping(value, lambda inner: isinstance(inner, str), "str")


def _models_by_name(value: object) -> Complaint:
    return _mapping(value, lambda inner: _model(inner) is None, "the SDK's model or a mapping of its fields")


def _secrets(value: object) -> Complaint:
    accepts = lambda inner: isinstance(inner, str) or _model(inner) is None  # noqa: E731 - said once, read once
    return _mapping(value, accepts, "a secret's value as str, or the SDK's RunloopExistingSecret")


def _files(value: object) -> Complaint:
    return _mapping(value, lambda inner: isinstance(inner, get_args(FileSource)), "text, bytes or a local Path")


def _mapping(value: object, accepts: Callable[[object], bool], wanted: str) -> Complaint:
    """Judge a mapping of names; values are never shown, for they may be secret."""
    if not isinstance(value, Mapping):
        return f"{_shown(value)} is not a mapping of names to {wanted}"
    for key, inner in value.items():
        if not isinstance(key, str) or not key:
            return f"the key {key!r} is not a non-empty str"
        if not accepts(inner):
            return f"the value of {key!r} is of type {type(inner).__name__}, not {wanted}"
    return None


def _setup(value: object) -> Complaint:
    if callable(value):
        return None if _takes_one(value) else "it can't be called with the sandbox alone; let it take one argument"
    if isinstance(value, str) or _are_texts(value):
        return None
    return f"{_shown(value)} is neither shell commands (a str or a list of them) nor a callable"


def _are_texts(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value)


def _takes_one(function: Callable[..., object]) -> bool:
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        return False
    except ValueError:
        # Not every function in C says what it takes.
        return True
    return True


def _scope(value: object) -> Complaint:
    words = [scope.value for scope in Scope]
    if value in words:
        return None
    return f"{_shown(value)} is not one of {', '.join(words)}; {_suggestion(value, words)}"


def _shown(value: object) -> str:
    """Name a value without spelling out what may be long or secret."""
    if isinstance(value, (str, int, float)):
        return repr(value)
    return f"a {type(value).__name__}"


_RULES: Mapping[str, Callable[[object], Complaint]] = {
    "blueprint": _blueprint,
    "blueprint_id": _blueprint_id,
    "blueprint_name": _text,
    "env_vars": _texts_by_name,
    "pause_on_exit": _flag,
    "name": _text,
    "timeouts": _model,
    "exposed_ports": _ports,
    "user_parameters": _model,
    "launch_parameters": _model,
    "tunnel": _model,
    "gateways": _models_by_name,
    "mcp": _models_by_name,
    "metadata": _texts_by_name,
    "managed_secrets": _secrets,
    "manifest": _model,
    "files": _files,
    "setup": _setup,
    "scope": _scope,
}
