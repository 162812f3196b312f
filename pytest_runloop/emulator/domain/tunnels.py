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
