"""TLS on the emulator's own port, and being a proxy for tunnels' names: what makes ``https`` URLs of tunnels answer."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_runloop.emulator.domain.tunnels import door_of_host
from pytest_runloop.emulator.service.certificate import NoCertificate, context
from pytest_runloop.emulator.service.tunnels import Way

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 1 << 16
_TLS = b"\x16"
_CONNECT_S = 30.0
_OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Secure:
    """Serve connections that begin with TLS or with CONNECT.

    TLS ends at a second listener of the same application, made when it is first needed: a connection whose first bytes
    were read already can't be wrapped any more.
    """

    def __init__(
        self,
        http: Callable[[], asyncio.Protocol],
        connections: set[Any],
        *,
        state: Path,
        base_url: str,
        api_key: str,
    ) -> None:
        """Note what it needs.

        Args:
            http: Makes what speaks HTTP.
            connections: What is shut down when the server ends.
            state: The state directory, where the certificate is.
            base_url: Where HTTP is served.
            api_key: The password of who may use the proxy for any host.
        """
        url = urlsplit(base_url)
        self._http = http
        self._connections = connections
        self._state = state
        self._plain = url.hostname, url.port
        self._api_key = api_key
        self._listening = asyncio.Lock()
        self._server: asyncio.Server | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection and close it."""
        try:
            upstream = await self._upstream(reader, writer)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionResetError, BrokenPipeError):
            upstream = None  # the client has gone, or speaks something else
        except (OSError, ValueError, NoCertificate) as error:
            upstream = None
            writer.write(_refusal("502 Bad Gateway", str(error)))
        if upstream is None:
            writer.close()
        else:
            await Way(reader=upstream[0], writer=upstream[1], touch=_nothing, token=None).relay(reader, writer)

    def shutdown(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _upstream(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        first = await reader.readexactly(1)
        if first == _TLS:
            return await self._begin(first)
        head = first + await reader.readuntil(b"\r\n\r\n")
        request, *fields = head.decode("latin-1").split("\r\n")
        url = urlsplit(f"//{request.split(' ')[1]}")
        host, port = url.hostname or "", url.port or 443
        if door_of_host(host) is not None:
            writer.write(_OPEN)
            return await self._begin(await reader.read(_CHUNK))
        if not self._knows_key(fields):
            message = f"only tunnels are reached by this proxy, and {host} is none; its user's password is the API key"
            writer.write(_refusal("407 Proxy Authentication Required", message))
            return None
        opened = await asyncio.wait_for(asyncio.open_connection(host, port), _CONNECT_S)
        writer.write(_OPEN)
        return opened

    async def _begin(self, first: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to where these bytes are understood, and send them."""
        place = await self._place() if first.startswith(_TLS) else self._plain
        reader, writer = await asyncio.open_connection(*place)
        writer.write(first)
        return reader, writer

    async def _place(self) -> tuple[str, int]:
        async with self._listening:
            if self._server is None:
                tls = await asyncio.to_thread(context, self._state)
                # Session tickets come after the handshake, just when clients send their first words. Clients that read
                # in one thread and write in another, as websockets' blocking one does, can lose these then.
                tls.num_tickets = 0
                loop = asyncio.get_running_loop()
                self._server = await loop.create_server(self._http, "127.0.0.1", 0, ssl=tls)
                self._connections.add(self)
        host, port = self._server.sockets[0].getsockname()
        return host, port

    def _knows_key(self, fields: list[str]) -> bool:
        """Say whether a request for any other host comes from somebody who may do everything anyway."""
        for field in fields:
            name, _, value = field.partition(":")
            kind, _, given = value.strip().partition(" ")
            if name.lower() == "proxy-authorization" and kind.lower() == "basic":
                with contextlib.suppress(ValueError):
                    password = base64.b64decode(given).partition(b":")[2]
                    return hmac.compare_digest(password, self._api_key.encode())
        return False


def _refusal(status: str, text: str) -> bytes:
    body = f"{text}\n".encode()
    fields = f"Connection: close\r\nContent-Length: {len(body)}\r\nProxy-Authenticate: Basic"
    return f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n".encode() + body


def _nothing() -> None:
    """Do nothing."""
