"""A spec's options, checked by the Agents SDK's own models and put into words.

Raises SpecError for everything impossible, before anything is provisioned.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agents.extensions.sandbox.runloop import (
    RunloopLaunchParameters,
    RunloopSandboxClientOptions,
    RunloopTimeouts,
    RunloopTunnelConfig,
    RunloopUserParameters,
)
from pydantic import BaseModel, TypeAdapter, ValidationError

from pytest_runloop.errors import SpecError
from pytest_runloop.sandbox import shell

if TYPE_CHECKING:
    from typing import Literal

HIGHEST_PORT = 65535
_USER_NAME = re.compile(r"[a-z_][a-z0-9_-]*")
SECRET_FIELDS = frozenset({"managed_secrets", "env_vars"})
"""Fields whose values never appear in a message."""


@dataclass(frozen=True)
class Options:
    """Checked options.

    Attributes:
        sdk: For the SDK's client; ``user_parameters`` is set for root.
        account: The user name commands run as.
        home: The account's home.
        timeouts: All ten, with the SDK's defaults.
    """

    sdk: RunloopSandboxClientOptions
    account: str
    home: str
    timeouts: RunloopTimeouts


def check_options(given: Mapping[str, object], *, user: Literal["user", "root"]) -> Options:
    """Return options for the SDK.

    Raises:
        SpecError: A name, type, value or combination is impossible. The message starts with the field.
    """
    known = [name for name in RunloopSandboxClientOptions.model_fields if name != "type"]
    refuse_unknown(given, known, owner="")
    values = {name: _CHECKS.get(name, _checked_type)(name, value) for name, value in given.items() if value is not None}
    _check_blueprint(values)
    _check_texts(values)
    timeouts = values.setdefault("timeouts", RunloopTimeouts())
    account = _account(values, user=user)
    if account is not None:
        values["user_parameters"] = account
    return Options(
        sdk=RunloopSandboxClientOptions(**values),
        account=account.username if account else "user",
        home=_home(account),
        timeouts=timeouts,
    )


def refuse_unknown(given: Iterable[object], known: Iterable[str], *, owner: str) -> None:
    """Refuse names that a mapping may not have.

    Raises:
        SpecError: The first unknown name, with the nearest one that exists.
    """
    names = list(known)
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(str(name), names, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            label = f"{owner}.{name}" if owner else str(name)
            message = f"{label}: there is no such name; {hint}there are {', '.join(names)}"
            raise SpecError(message, field=owner or str(name))


def explain(error: ValidationError, *, field: str, given: object) -> SpecError:
    """Return what a pydantic error about *given* means, in one sentence without secret values."""
    first = error.errors(include_url=False)[0]
    place, value = _walk(given, first["loc"])
    where = ".".join([field, *place])
    want = str(first["msg"]).replace("Input should be", "it should be")
    if first["type"] == "missing":
        return SpecError(f"{where}.{first['loc'][-1]}: it is missing; give it", field=field)
    got = type(value).__name__ if field in SECRET_FIELDS or isinstance(value, (Mapping, BaseModel)) else repr(value)
    return SpecError(f"{where}: got {got}; {want[:1].lower()}{want[1:]}", field=field)


def _walk(given: object, location: tuple[int | str, ...]) -> tuple[list[str], object]:
    """Follow a pydantic location into the input, leaving out the names of union members in it."""
    place: list[str] = []
    for part in location:
        members = dict(enumerate(given)) if isinstance(given, (list, tuple)) else given
        if isinstance(members, Mapping) and part in members:
            given = members[part]
            place.append(str(part))
    return place, given


def _checked_type(name: str, value: object) -> Any:  # noqa: ANN401 - SDK boundary; the type is the SDK field's own
    # Strict, because pydantic's lax mode takes "yes" for True.
    field_type: Any = RunloopSandboxClientOptions.model_fields[name].annotation
    try:
        return TypeAdapter(field_type).validate_python(value, strict=True)
    except ValidationError as error:
        raise explain(error, field=name, given=value) from None


def _checked_ports(name: str, value: object) -> tuple[int, ...]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        message = f"{name}: got {value!r}; give a list of ports, such as [8000]"
        raise SpecError(message, field=name)
    ports = tuple(value)
    for index, port in enumerate(ports):
        if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= HIGHEST_PORT:
            message = f"{name}: {port!r} is not a port; give 1..{HIGHEST_PORT}"
            raise SpecError(message, field=name)
        if port in ports[:index]:
            message = f"{name}: {port} is given twice; give it once"
            raise SpecError(message, field=name)
    return ports


def _checked_model(name: str, value: object) -> BaseModel:
    # Not by the field's own type: its union with dict takes any name, and drops those it does not know.
    model = _MODELS[name]
    if isinstance(value, model):
        return value
    if not isinstance(value, Mapping):
        message = f"{name}: got {value!r}; give a mapping or {model.__name__}"
        raise SpecError(message, field=name)
    refuse_unknown(value, model.model_fields, owner=name)
    try:
        return model.model_validate(dict(value), strict=True)
    except ValidationError as error:
        raise explain(error, field=name, given=value) from None


def _checked_timeouts(name: str, value: object) -> BaseModel:
    timeouts = _checked_model(name, value)
    for key, seconds in timeouts:
        if math.isinf(seconds):
            message = f"{name}.{key}: it has no end; give seconds"
            raise SpecError(message, field=name)
    return timeouts


_MODELS: Mapping[str, type[BaseModel]] = {
    "timeouts": RunloopTimeouts,
    "tunnel": RunloopTunnelConfig,
    "launch_parameters": RunloopLaunchParameters,
    "user_parameters": RunloopUserParameters,
}
_CHECKS: Mapping[str, Callable[[str, object], Any]] = {
    "exposed_ports": _checked_ports,
    **dict.fromkeys(_MODELS, _checked_model),
    "timeouts": _checked_timeouts,
}


def _check_blueprint(values: Mapping[str, object]) -> None:
    if values.get("blueprint_id") is not None and values.get("blueprint_name") is not None:
        message = (
            f"blueprint_id, blueprint_name: both are given ({values['blueprint_id']!r}, {values['blueprint_name']!r}); "
            "keep one"
        )
        raise SpecError(message, field="blueprint_id")


def _check_texts(values: Mapping[str, Any]) -> None:
    for name in ("blueprint_id", "blueprint_name", "name"):
        if values.get(name) == "":
            message = f"{name}: it is empty; give a text, or leave it out"
            raise SpecError(message, field=name)
    for name in ("env_vars", "managed_secrets"):
        texts = {key: value if isinstance(value, str) else "" for key, value in (values.get(name) or {}).items()}
        shell.check_env(texts, field=name)


def _account(values: Mapping[str, Any], *, user: Literal["user", "root"]) -> RunloopUserParameters | None:
    field = "user_parameters"
    account: RunloopUserParameters | None = values.get(field)
    launch = values.get("launch_parameters")
    if launch is not None and launch.user_parameters is not None:
        message = "launch_parameters.user_parameters: the SDK takes it from the field user_parameters; move it there"
        raise SpecError(message, field="launch_parameters")
    if account is None:
        return RunloopUserParameters(username="root", uid=0) if user == "root" else None
    if account.uid < 0 or not _USER_NAME.fullmatch(account.username):
        message = f"{field}: username {account.username!r}, uid {account.uid}; give a plain name and a uid of 0 or more"
        raise SpecError(message, field=field)
    if (account.username == "root") != (account.uid == 0):
        message = f"{field}: {account.username!r} can't have uid {account.uid}; root is uid 0, and nobody else is"
        raise SpecError(message, field=field)
    return account


def _home(account: RunloopUserParameters | None) -> str:
    if account is None:
        return "/home/user"
    return "/root" if account.uid == 0 else f"/home/{account.username}"
