"""Gateway and MCP configs: what their bodies may say, and how a credential goes into a request. Pure."""

from __future__ import annotations

import base64
import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.problems import bad_request

SYSTEM_GATEWAYS: tuple[dict[str, Any], ...] = (
    {
        "id": "gwc_anthropic",
        "name": "anthropic",
        "endpoint": "https://api.anthropic.com",
        "auth_mechanism": {"type": "header", "key": "x-api-key"},
        "create_time_ms": 1,
    },
    {
        "id": "gwc_openai",
        "name": "openai",
        "endpoint": "https://api.openai.com",
        "auth_mechanism": {"type": "bearer"},
        "create_time_ms": 1,
    },
)
"""The configs that every account has."""
BEARER: Mapping[str, str] = {"type": "bearer"}
MAX_HEADERS = 8
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PREFIX = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Header = tuple[bytes, bytes]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A config and a secret that a create request wants put together.

    Attributes:
        config: Id or name.
        secret: Id or name.
    """

    config: str
    secret: str


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a token stands for.

    Attributes:
        kind: ``gateway`` or ``mcp``.
        variable: The environment variable, or None for a token that was asked for later.
    """

    kind: str
    token: str
    config_id: str
    secret_id: str
    variable: str | None = None


def parse_gateway(body: Mapping[str, object], *, new: bool) -> dict[str, Any]:
    """Check the body of a gateway config's create or update.

    Raises:
        ApiProblem: 400 naming the guilty field.
    """
    return _named("gateway config", (_GATEWAY if new else _GATEWAY_UPDATE)("", body))


def parse_mcp(body: Mapping[str, object], *, new: bool) -> dict[str, Any]:
    """Check the body of an MCP config's create or update.

    Raises:
        ApiProblem: 400 naming the guilty field.
    """
    given = _named("MCP config", (_MCP if new else _MCP_UPDATE)("", body))
    return {"auth_mechanism": dict(BEARER), **given} if new else given


def parse_wishes(field: str, config: str, value: Mapping[str, object]) -> dict[str, Wish]:
    """Check the ``gateways`` or ``mcp`` of a create request.

    Args:
        field: Its name.
        config: What it calls the config.
        value: Config and secret by variable.

    Raises:
        ApiProblem: 400 naming the guilty field.
    """
    check = checks.record({config: checks.text, "secret": checks.text}, required=(config, "secret"))
    wishes = {}
    for variable, given in value.items():
        if not _PREFIX.fullmatch(variable):
            raise bad_request(f"{field}: {variable!r} can't name an environment variable.")
        checked = cast("dict[str, str]", check(f"{field}.{variable}", given))
        wishes[variable] = Wish(config=checked[config], secret=checked["secret"])
    return wishes


def credentials(mechanism: Mapping[str, str], secret: str) -> Header:
    """Give the header that carries a credential."""
    if mechanism["type"] == "header":
        return mechanism["key"].lower().encode(), secret.encode()
    if mechanism["type"] == "basic":
        # A secret that isn't `user:password` is a password of nobody, as for an API key.
        pair = secret if ":" in secret else f":{secret}"
        return b"authorization", b"Basic " + base64.b64encode(pair.encode())
    return b"authorization", b"Bearer " + secret.encode()


def with_credentials(headers: Iterable[Header], token: str, added: Iterable[Header]) -> list[Header]:
    """Replace whatever carried the token by what carries the secret."""
    added = list(added)
    names = {name for name, _ in added} | {b"host"}
    return [
        *((name, value) for name, value in headers if name not in names and token.encode() not in value),
        *added,
    ]


def allows_tool(config_name: str, patterns: Iterable[str], tool: str) -> bool:
    """Say whether a tool is allowed, by its own name or with its service's before it."""
    service = config_name.partition("-")[0]
    names = (tool, f"{service}.{tool}")
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns for name in names)


def _named(kind: str, checked: object) -> dict[str, Any]:
    given = cast("dict[str, Any]", checked)
    if not given.get("name", True):
        raise bad_request(f"name: empty; give the {kind} a name.")
    return given


def _endpoint(field: str, value: object) -> str:
    url = checks.text(field, value)
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise bad_request(f"{field}: {url!r} is not the address of a server, such as https://api.example.com.")
    return url


def _mechanism(field: str, value: object) -> object:
    given = cast("dict[str, str]", _MECHANISM(field, value))
    if given["type"] == "header" and not given.get("key"):
        raise bad_request(f"{field}.key: required for type header: the header's name.")
    if given.get("key") and not _TOKEN.fullmatch(given["key"]):
        raise bad_request(f"{field}.key: {given['key']!r} is not a header's name.")
    return given


def _headers(field: str, value: object) -> object:
    given = cast("list[dict[str, str]]", _HEADERS(field, value))
    if len(given) > MAX_HEADERS:
        raise bad_request(f"{field}: {len(given)} headers; at most {MAX_HEADERS} are allowed.")
    for index, header in enumerate(given):
        if not _TOKEN.fullmatch(header["name"]):
            raise bad_request(f"{field}[{index}].name: {header['name']!r} is not a header's name.")
        if ("value" in header) == ("secret" in header):
            raise bad_request(f"{field}[{index}]: give exactly one of value and secret.")
    return given


_MECHANISM = checks.record(
    {"type": checks.choice(("bearer", "header", "basic")), "key": checks.text}, required=("type",)
)
_HEADERS = checks.list_of(
    checks.record({"name": checks.text, "value": checks.text, "secret": checks.text}, required=("name",))
)
_FIELDS: Mapping[str, checks.Check] = {
    "name": checks.text,
    "endpoint": _endpoint,
    "auth_mechanism": _mechanism,
    "description": checks.text,
    "custom_headers": _headers,
}
_MCP_FIELDS: Mapping[str, checks.Check] = {**_FIELDS, "allowed_tools": checks.list_of(checks.text)}
_GATEWAY = checks.record(_FIELDS, required=("name", "endpoint", "auth_mechanism"))
_GATEWAY_UPDATE = checks.record(_FIELDS)
_MCP = checks.record(_MCP_FIELDS, required=("name", "endpoint", "allowed_tools"))
_MCP_UPDATE = checks.record(_MCP_FIELDS)
