"""Which protocol a new connection speaks, by its first bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What an HTTP/2 client begins with; no method of HTTP/1.1 has this name."""

_TLS = b"\x16"
_CONNECT = b"CONNECT "
"""What a client asks its proxy for before it begins TLS."""


class FirstBytes(asyncio.Protocol):
    """Wait for the first bytes, and hand the connection over."""

    def __init__(
        self,
        connections: set[Any],
        *,
        http1: Callable[[], asyncio.Protocol],
        http2: Callable[[], asyncio.Protocol],
        secure: Callable[[], asyncio.Protocol],
    ) -> None:
        """Begin to wait.

        Args:
            connections: Those that are open; each has ``shutdown``.
            http1: Makes what speaks HTTP/1.1.
            http2: Makes what speaks HTTP/2.
            secure: Makes what speaks TLS, and what is a proxy's to do.
        """
        self._connections = connections
        self._http1 = http1
        self._http2 = http2
        self._secure = secure
        self._transport: asyncio.Transport | None = None
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP is all we listen on
        self._transport = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's own
        self._connections.discard(self)

    def shutdown(self) -> None:
        """Close a connection on which nothing was ever said."""
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._data += data
        make = self._speaker()
        if self._transport is None or make is None:
            return
        self._connections.discard(self)
        protocol = make()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(self._data)

    def _speaker(self) -> Callable[[], asyncio.Protocol] | None:
        """Say who understands what came; None while that is not clear yet."""
        data = self._data
        if data.startswith((_TLS, _CONNECT)):
            return self._secure
        if data.startswith(PREFACE):
            return self._http2
        return None if PREFACE.startswith(data) or _CONNECT.startswith(data) else self._http1
