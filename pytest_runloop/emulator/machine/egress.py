"""The way out of a sandbox: an HTTP proxy on its loopback, served from the host's side.

A sandbox has a network namespace of its own with nothing in it but this, so its ports never collide with another's
and the host's services are out of its reach.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
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


async def serve(listener: socket.socket) -> asyncio.Server:
    """Answer on a listener that was opened inside a sandbox; the caller closes the server."""
    return await asyncio.start_server(_answer, sock=listener, limit=_HEAD_LIMIT)


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


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        await _forward(head, reader, writer)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        pass  # the client has gone, or speaks no HTTP
    except (OSError, ValueError) as error:
        text = f"the sandbox's proxy can't reach that: {error}\n".encode()
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
    finally:
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()


async def _forward(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    request, *fields = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, version = request.split(" ")
    url = urlsplit(f"//{target}" if method == "CONNECT" else target)
    if url.hostname is None:
        msg = f"{target!r} names no host"
        raise ValueError(msg)
    upstream = await _connect(url.hostname, url.port or 80)
    if method == "CONNECT":
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    else:
        path = f"{url.path or '/'}{'?' + url.query if url.query else ''}"
        kept = [field for field in fields if not field.lower().startswith(("proxy-", "connection:"))]
        # One request a connection: the next one may be for another host.
        lines = [f"{method} {path} {version}", *kept, "Connection: close", "", ""]
        upstream[1].write("\r\n".join(lines).encode("latin-1"))
    await relay((reader, writer), upstream)


async def _connect(host: str, port: int) -> Connection:
    """Connect to a host that isn't this computer."""
    reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port), _CONNECT_SECONDS)
    ours, theirs = writer.get_extra_info("sockname")[0], writer.get_extra_info("peername")[0]
    address = ipaddress.ip_address(theirs)
    if ours == theirs or address.is_loopback or address.is_link_local:
        writer.close()
        msg = f"{host} is the host itself or its own network link, which a sandbox can't see"
        raise OSError(msg)
    return reader, writer
