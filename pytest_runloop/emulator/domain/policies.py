"""Network policies: what their bodies may say, and what they let through. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, cast

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.problems import bad_request

EGRESS_DEFAULTS: Mapping[str, object] = {
    "allow_all": False,
    "allow_devbox_to_devbox": False,
    "allow_agent_gateway": False,
    "allow_mcp_gateway": False,
    "allow_runloop_mirrors": False,
    "allowed_hostnames": [],
    "allowed_cidrs": [],
}
"""A policy that says nothing lets nothing through."""
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_HOST = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*\.?|\*", re.IGNORECASE)
_MAX_PORT = 65_535


def parse_policy(body: Mapping[str, object], *, new: bool) -> dict[str, Any]:
    """Check the body of a create or an update, and give its fields as the view nests them.

    Raises:
        ApiProblem: 400 naming the guilty field.
    """
    given = cast("dict[str, Any]", (_CREATE if new else _UPDATE)("", body))
    egress = {name: value for name, value in given.items() if name in EGRESS_DEFAULTS}
    named = {name: value for name, value in given.items() if name not in EGRESS_DEFAULTS}
    if not named.get("name", True):
        raise bad_request("name: empty; give the network policy a name.")
    return {**named, "egress": egress}


def settled(egress: Mapping[str, Any]) -> dict[str, Any]:
    """Give all of a policy's rules: what was said over the defaults."""
    rules = {**EGRESS_DEFAULTS, **egress}
    return {**rules, "allow_devbox_to_devbox": rules["allow_devbox_to_devbox"] or rules["allow_all"]}


def allows_host(egress: Mapping[str, Any], host: str) -> bool:
    """Say whether a host may be reached by its name."""
    name = host.rstrip(".").lower()
    return egress["allow_all"] or any(
        _matches(pattern.rstrip(".").lower(), name) for pattern in egress["allowed_hostnames"]
    )


def allows_address(egress: Mapping[str, Any], address: str, port: int) -> bool:
    """Say whether an address may be reached, whatever it is called."""
    if egress["allow_all"]:
        return True
    number = ipaddress.ip_address(address)
    return any(
        number in ipaddress.ip_network(rule["cidr"]) and _allows_port(rule.get("ports") or [], port)
        for rule in egress["allowed_cidrs"]
    )


def _matches(pattern: str, name: str) -> bool:
    if pattern == "*":
        return True
    return name.endswith(pattern[1:]) if pattern.startswith("*.") else name == pattern


def _allows_port(ports: list[dict[str, Any]], port: int) -> bool:
    if not ports:
        return True
    return any(
        one.get("protocol", "TCP") == "TCP" and one["port"] <= port <= one.get("end_port", one["port"]) for one in ports
    )


def _hostname(field: str, value: object) -> str:
    host = checks.text(field, value)
    if not _HOST.fullmatch(host):
        raise bad_request(f"{field}: {host!r} is not a host name; a '*' may stand for its first label only.")
    return host


def _cidr(field: str, value: object) -> str:
    text = checks.text(field, value)
    try:
        ipaddress.IPv4Network(text)
    except ValueError as error:
        raise bad_request(f"{field}: {text!r} is not an IPv4 network such as 10.12.0.0/16: {error}.") from None
    return text


def _ports(field: str, value: object) -> object:
    checked = cast("dict[str, Any]", _PORTS(field, value))
    if checked.get("end_port", checked["port"]) < checked["port"]:
        raise bad_request(f"{field}.end_port: {checked['end_port']} is less than port, which is {checked['port']}.")
    return checked


_PORTS = checks.record(
    {
        "port": checks.integer(1, _MAX_PORT),
        "end_port": checks.integer(1, _MAX_PORT),
        "protocol": checks.choice(("TCP", "UDP", "SCTP")),
    },
    required=("port",),
)
_UPDATE_FIELDS: Mapping[str, checks.Check] = {
    "name": checks.text,
    "description": checks.text,
    "allow_all": checks.boolean,
    "allow_devbox_to_devbox": checks.boolean,
    "allow_agent_gateway": checks.boolean,
    "allow_mcp_gateway": checks.boolean,
    "allow_runloop_mirrors": checks.boolean,
    "allowed_hostnames": checks.list_of(_hostname),
    "allowed_cidrs": checks.list_of(
        checks.record({"cidr": _cidr, "ports": checks.list_of(_ports)}, required=("cidr",))
    ),
}
_CREATE = checks.record(_UPDATE_FIELDS, required=("name",))
_UPDATE = checks.record(_UPDATE_FIELDS)
