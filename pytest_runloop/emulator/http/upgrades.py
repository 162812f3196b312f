"""Connections that become WebSockets: handed over to the devbox they are for, or served here."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from pytest_runloop.emulator.domain.problems import ApiProblem
from pytest_runloop.emulator.http.doors import find_door
from pytest_runloop.emulator.http.forwarding import Header
from pytest_runloop.emulator.http.tunnels import forwarded, tokens

if TYPE_CHECKING:
    from starlette.types import Scope
    from uvicorn import Config
    from uvicorn.server import ServerState

    from pytest_runloop.emulator.domain.tunnels import Door
    from pytest_runloop.emulator.service.emulator import Emulator


class Upgrade(asyncio.Protocol):
    """What uvicorn hands a connection to whose client asks for a WebSocket: the request first, in one piece."""

    def __init__(
        self, emulator: Emulator, *, config: Config, server_state: ServerState, app_state: dict[str, Any]
    ) -> None:
        self._emulator = emulator
        self._served = partial(_Served, config, server_state, app_state)
        self._tasks = server_state.tasks
        self._transport: asyncio.Transport | None = None
        self._next: asyncio.Protocol | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection over."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Look who the request is for; what comes later is theirs."""
        if self._next is not None:
            self._next.data_received(data)
            return
        assert self._transport is not None  # noqa: S101 - uvicorn has given it before
        method, target, headers = _parse(data)
        found = find_door(_scope(target, headers))
        if found is None or self._emulator.terminals.knows(found[0].key):
            self._next = self._served()
            self._next.connection_made(self._transport)
            self._next.data_received(data)
        else:
            reader = asyncio.StreamReader()
            self._next = protocol = asyncio.StreamReaderProtocol(reader)
            protocol.connection_made(self._transport)
            writer = asyncio.StreamWriter(self._transport, protocol, reader, asyncio.get_running_loop())
            work = self._hand_over(found[0], f"{method} {found[1]} HTTP/1.1", headers, (reader, writer))
            task = asyncio.ensure_future(work)
            self._tasks.add(task)  # which the server cancels at its end
            task.add_done_callback(self._tasks.discard)
        # Uvicorn makes this object the transport's protocol when this returns; the other one can take over after that.
        asyncio.get_running_loop().call_soon(self._transport.set_protocol, self._next)

    def eof_received(self) -> bool | None:
        """Pass it on."""
        return None if self._next is None else self._next.eof_received()

    def pause_writing(self) -> None:
        """Pass it on."""
        if self._next is not None:
            self._next.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        if self._next is not None:
            self._next.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on."""
        if self._next is not None:
            self._next.connection_lost(exc)

    async def _hand_over(
        self,
        door: Door,
        request: str,
        headers: list[Header],
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        try:
            way = await self._emulator.tunnels.open(door, tokens(headers))
        except ApiProblem as problem:
            client[1].write(_refusal(problem))
            client[1].close()
            return
        lines = [request.encode(), *(name + b": " + value for name, value in forwarded(headers, way)), b"", b""]
        way.writer.write(b"\r\n".join(lines))
        await way.relay(*client)


class _Served(WebSocketsSansIOProtocol):
    """What is served here."""

    async def send(self, message: Any) -> None:  # noqa: ANN401 - ASGI's
        """Leave the length of a refusal to uvicorn, which before 0.53 adds its own to any that is given."""
        if message["type"] == "websocket.http.response.start":
            headers = [(name, value) for name, value in message["headers"] if name != b"content-length"]
            message = {**message, "headers": headers}
        await super().send(message)


def _parse(head: bytes) -> tuple[str, str, list[Header]]:
    first, *fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    method, target, _ = first.decode("latin-1").split(" ", 2)
    if not target.startswith("/"):  # as clients ask a proxy
        url = urlsplit(target)
        target = f"{url.path or '/'}{'?' + url.query if url.query else ''}"
    pairs = (field.partition(b": ") for field in fields)
    return method, target, [(name.lower(), value) for name, _, value in pairs]


def _scope(target: str, headers: list[Header]) -> Scope:
    path, _, query = target.partition("?")
    return {
        "path": path,
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "headers": headers,
    }


def _refusal(problem: ApiProblem) -> bytes:
    body = json.dumps(problem.body).encode()
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **problem.headers,
    }
    lines = [f"HTTP/1.1 {problem.status} Refused", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + body
