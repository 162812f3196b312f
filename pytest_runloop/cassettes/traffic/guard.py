"""Keeps a replay from reaching the recorded hosts past the clients whose traffic is played.

Clients differ in everything but this: before they connect they look a name up, connect to a name, or ask a proxy for
one. Knows no client and no cassette: whoever is asked decides.
"""

from __future__ import annotations

import functools
import http.client
import ipaddress
import socket
from collections.abc import Callable
from typing import Any

from pytest_runloop.cassettes.traffic.patches import Patches

_LOOKUPS = ("getaddrinfo", "gethostbyname", "gethostbyname_ex")
_CONNECTS = ("connect", "connect_ex")
_LOCALHOST = "localhost"


class Guard:
    """The ways to a host that all clients share.

    Args:
        check: Gets the name of a host that is about to be reached, and raises if it may not be. Is not asked about this
            computer itself.
    """

    def __init__(self, check: Callable[[str], None]) -> None:
        self._check = check
        self._is_closed = False
        self._patches = Patches()

    def install(self) -> None:
        self._is_closed = False
        for name in _LOOKUPS:
            self._patches.replace(socket, name, self._on_lookup(getattr(socket, name)))
        for name in _CONNECTS:
            self._patches.replace(socket.socket, name, self._on_connect(getattr(socket.socket, name)))
        tunnel = http.client.HTTPConnection.set_tunnel
        self._patches.replace(http.client.HTTPConnection, "set_tunnel", self._on_tunnel(tunnel))

    def close(self) -> None:
        """Put everything back. What others still hold of ours lets everything pass from now on."""
        self._patches.close()
        self._is_closed = True

    def _on_lookup(self, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def look_up(host: object, *args: object, **options: object) -> Any:  # noqa: ANN401 - what the real one gives
            self._ask(host)
            return real(host, *args, **options)

        return look_up

    def _on_connect(self, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def connect(connection: socket.socket, address: object) -> Any:  # noqa: ANN401 - what the real one gives
            # Other families have other addresses; a path, for one.
            if isinstance(address, tuple) and address:
                self._ask(address[0])
            return real(connection, address)

        return connect

    def _on_tunnel(self, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def set_tunnel(connection: http.client.HTTPConnection, host: str, *args: object, **options: object) -> Any:  # noqa: ANN401 - what the real one gives
            # A name may have its port with it here.
            self._ask(host.rpartition(":")[0] or host)
            return real(connection, host, *args, **options)

        return set_tunnel

    def _ask(self, host: object) -> None:
        name = _name(host)
        if name and not self._is_closed and not _is_here(name):
            self._check(name)


def _name(host: object) -> str:
    if isinstance(host, (bytes, bytearray)):
        host = bytes(host).decode("ascii", "replace")
    return host.rstrip(".").lower() if isinstance(host, str) else ""


def _is_here(name: str) -> bool:
    if name == _LOCALHOST or name.endswith(f".{_LOCALHOST}"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
