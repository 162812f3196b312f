"""What is known of a devbox's tunnel. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from pytest_runloop.emulator.domain import checks


@dataclass(frozen=True, kw_only=True)
class TunnelRequest:
    """How a tunnel is asked for."""

    auth_mode: str = "open"
    http_keep_alive: bool = True
    wake_on_http: bool = False


@dataclass(frozen=True, kw_only=True)
class Tunnel:
    """A devbox's tunnel.

    Attributes:
        key: The part of the host name that names the devbox.
        auth_token: What callers must send; None in mode ``open``.
    """

    key: str
    request: TunnelRequest
    create_time_ms: int
    auth_token: str | None = None


def parse_tunnel(value: object) -> TunnelRequest:
    """Check a tunnel request; an empty one asks for an open tunnel."""
    return TunnelRequest(**cast("dict[str, Any]", _TUNNEL("tunnel", value)))


_TUNNEL = checks.record(
    {
        "auth_mode": checks.choice(("open", "authenticated")),
        "http_keep_alive": checks.boolean,
        "wake_on_http": checks.boolean,
    }
)


@dataclass(frozen=True, kw_only=True)
class Door:
    """A port of a devbox, as a tunnel's URL names it."""

    port: int
    key: str


PATH = "/_emulator/tunnels/"
"""What the path form of a tunnel's URL begins with, for clients that can't be given the host name."""


def door_of_host(host: str) -> Door | None:
    """Read ``{port}-{key}.tunnel.{anything}``, with or without a port behind it; None for any other host."""
    label, _, rest = host.partition(".")
    return _door(label) if rest.startswith("tunnel.") or rest == "tunnel" else None


def door_of_path(path: str) -> tuple[Door, str] | None:
    """Read ``/_emulator/tunnels/{port}-{key}/{rest}``; None for any other path.

    Returns:
        The door, and the path behind it, with its slash.
    """
    if not path.startswith(PATH):
        return None
    label, _, rest = path[len(PATH) :].partition("/")
    door = _door(label)
    return None if door is None else (door, f"/{rest}")


def _door(label: str) -> Door | None:
    port, _, key = label.partition("-")
    if not (key.isalnum() and port.isascii() and port.isdigit() and len(port) <= _PORT_DIGITS):
        return None
    return Door(port=int(port), key=key) if 0 < int(port) <= _MAX_PORT else None


_MAX_PORT = 65_535
_PORT_DIGITS = 5
