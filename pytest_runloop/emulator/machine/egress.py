"""The way out of a sandbox: an HTTP proxy on its loopback, served from the host's side.

A sandbox has a network namespace of its own with nothing in it but this, so its ports never collide with another's
and the host's services are out of its reach.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

PORT = 61080
"""Above the range that Linux picks ports from, so that nobody meets it by chance."""
ENVIRONMENT = {
    name: value
    for key, value in (
        ("http_proxy", f"http://127.0.0.1:{PORT}"),
        ("https_proxy", f"http://127.0.0.1:{PORT}"),
        ("no_proxy", "localhost,127.0.0.1,::1"),
    )
    for name in (key, key.upper())
}
_HEAD_LIMIT = 1 << 16
_CHUNK = 1 << 16

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_CONNECT_SECONDS = 30


class Outside:
    """What is outside of a sandbox. This one lets it reach everything but the host itself.

    Attributes:
        ports: More ports of its loopback where the proxy answers, for addresses that are the same in it and outside.
    """

    ports: tuple[int, ...] = ()

    async def reach(self, host: str, port: int) -> Connection:
        """Connect to a host; the caller closes the connection.

        Raises:
            PermissionError: The sandbox may not; the message says why.
            OSError: It can't be reached.
        """
        return await connect(host, port)

    async def ask(
        self,
        target: str,
        fields: Sequence[str],  # noqa: ARG002 - for those who have something to offer
    ) -> tuple[Connection, str, list[str]]:
        """Connect to what the proxy itself has to offer, for a request that names no host.

        Args:
            target: Path and query.
            fields: The request's header lines.

        Returns:
            The connection, which the caller closes, and target and header lines as they are to be sent there.

        Raises:
            PermissionError: As above.
            ValueError: There is no such thing.
        """
        msg = f"{target!r} names no host"
        raise ValueError(msg)


async def serve(listener: socket.socket, outside: Outside) -> asyncio.Server:
    """Answer on a listener that was opened inside a sandbox; the caller closes the server."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _answer(outside, reader, writer)

    return await asyncio.start_server(answer, sock=listener, limit=_HEAD_LIMIT)


async def relay(one: Connection, other: Connection) -> None:
    """Carry bytes both ways between two connections until both sides have ended; closes both."""
    try:
        await asyncio.gather(_pump(one[0], other[1]), _pump(other[0], one[1]))
    finally:
        one[1].close()
        other[1].close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    if writer.can_write_eof():
        with contextlib.suppress(OSError):
            writer.write_eof()


async def _answer(outside: Outside, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        await _forward(outside, head, reader, writer)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        pass  # the client has gone, or speaks no HTTP
    except PermissionError as error:
        writer.write(_refusal("403 Forbidden", str(error)))
    except (OSError, ValueError) as error:
        writer.write(_refusal("502 Bad Gateway", f"the sandbox's proxy can't reach that: {error}"))
    finally:
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()


def _refusal(status: str, text: str) -> bytes:
    body = f"{text}\n".encode()
    return f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def _forward(outside: Outside, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    request, *fields = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    if head.count(b"\n") != head.count(b"\r\n"):
        msg = "a line of the request's head ends with a bare LF"  # the other side might end the head there
        raise ValueError(msg)
    method, target, version = request.split(" ")
    url = urlsplit(f"//{target}" if method == "CONNECT" else target)
    try:
        if url.hostname is None:
            upstream, path, fields = await outside.ask(target, fields)
        else:
            upstream = await outside.reach(url.hostname, url.port or 80)
            path = f"{url.path or '/'}{'?' + url.query if url.query else ''}"
    except ConnectionError as error:  # of the other side: this client is still there
        raise OSError(str(error)) from error
    if method == "CONNECT":
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    else:
        upstream[1].write(_request(f"{method} {path} {version}", fields))
    await relay((reader, writer), upstream)


def _request(first: str, fields: Sequence[str]) -> bytes:
    kept = [field for field in fields if not field.lower().startswith("proxy-")]
    if not any(field.lower().startswith("upgrade:") for field in kept):
        # One request a connection: the next one may be for another host.
        kept = [*(field for field in kept if not field.lower().startswith("connection:")), "Connection: close"]
    return "\r\n".join([first, *kept, "", ""]).encode("latin-1")


async def connect(host: str, port: int, *, permitted: Callable[[str], bool] | None = None) -> Connection:
    """Connect to a host that isn't this computer; the caller closes the connection.

    Args:
        host: Its name or address.
        port: TCP port.
        permitted: Says whether one of its addresses may be reached; None lets all.

    Raises:
        PermissionError: None of its addresses may be.
        OSError: It is this computer, or can't be reached.
    """
    place = host if permitted is None else await _permitted(host, port, permitted)
    reader, writer = await asyncio.wait_for(asyncio.open_connection(place, port), _CONNECT_SECONDS)
    ours, theirs = writer.get_extra_info("sockname")[0], writer.get_extra_info("peername")[0]
    address = ipaddress.ip_address(theirs)
    if ours == theirs or address.is_loopback or address.is_link_local:
        writer.close()
        msg = f"{host} is the host itself or its own network link, which a sandbox can't see"
        raise OSError(msg)
    return reader, writer


async def _permitted(host: str, port: int, permitted: Callable[[str], bool]) -> str:
    """Give an address of a host that may be reached."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, address in found:
        if permitted(str(address[0])):
            return str(address[0])
    raise PermissionError(host)
