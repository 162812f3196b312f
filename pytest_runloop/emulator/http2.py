"""HTTP/2 without TLS, for clients that speak it from their first byte: the vendor's TypeScript client does.

The protocol itself is hyper's h2; uvicorn has none, and a second web server would cost every run its start. Loaded by
the first such connection. Runs any ASGI application, knows nothing of Runloop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes

if TYPE_CHECKING:
    from starlette.types import ASGIApp
    from uvicorn.server import ServerState

MAX_STREAMS = 1000
WINDOW = 1024 * 1024
"""Bytes a client may send of one body before the application has taken them."""

_HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})


class Http2(asyncio.Protocol):
    """One connection.

    Has what uvicorn's own protocols have, and the server uses: a place in its state, an end, and ``transport``.
    """

    def __init__(self, app: ASGIApp, state: ServerState) -> None:
        self._app = app
        self._state = state
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self._streams: dict[int, _Stream] = {}
        self.transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP is all we listen on
        self.transport = transport
        self._state.connections.add(self)  # type: ignore[arg-type] # the server asks of it what is here
        self._h2.initiate_connection()
        self._h2.update_settings(
            {SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS, SettingCodes.INITIAL_WINDOW_SIZE: WINDOW}
        )
        # The whole connection's window: one slow body must not stop the others.
        self._h2.increment_flow_control_window(WINDOW * 16)
        self.flush()

    def data_received(self, data: bytes) -> None:
        try:
            events = self._h2.receive_data(data)
        except ProtocolError:
            self.shutdown()
            return
        for event in events:
            self._heed(event)
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's own
        self._state.connections.discard(self)
        self._writable.set()
        for stream in self._streams.values():
            stream.leave()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def shutdown(self) -> None:
        """Tell the client that this is the end, and close."""
        if self.transport is not None and not self.transport.is_closing():
            self._h2.close_connection()
            self.flush()
            self.transport.close()
            for stream in self._streams.values():
                stream.leave()

    def flush(self) -> None:
        """Send what has been said to h2."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(self._h2.data_to_send())

    def taken(self, stream: _Stream, size: int) -> None:
        """Let the client send as much again."""
        if size and not stream.is_gone:
            self._h2.acknowledge_received_data(size, stream.id)
            self.flush()

    def begin(self, stream: _Stream, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Send the head of an answer."""
        kept = [(name.lower(), value) for name, value in headers if name.lower() not in _HOP_BY_HOP]
        self._h2.send_headers(stream.id, [(b":status", str(status).encode()), *kept])
        # With the body if that comes at once; a stream may have nothing to say for long.
        asyncio.get_running_loop().call_soon(self.flush)

    async def send(self, stream: _Stream, data: bytes, *, more: bool) -> None:
        """Send a piece of an answer's body, as fast as the client takes it."""
        view = memoryview(data)
        while view:
            await self._writable.wait()
            size = 0 if stream.is_gone else self._room(stream)
            if stream.is_gone:
                return
            if not size:
                await stream.room()
                continue
            self._h2.send_data(stream.id, bytes(view[:size]))
            view = view[size:]
            self.flush()
        if not more and not stream.is_gone:
            self._h2.end_stream(stream.id)
        self.flush()

    def abort(self, stream: _Stream) -> None:
        """End an answer that can't be finished."""
        if not stream.is_gone:
            self._h2.reset_stream(stream.id, error_code=2)
            self.flush()

    def _room(self, stream: _Stream) -> int:
        return min(self._h2.local_flow_control_window(stream.id), self._h2.max_outbound_frame_size)

    def _heed(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._open(event)
        elif isinstance(event, ConnectionTerminated):
            self.shutdown()
        elif isinstance(event, (WindowUpdated, RemoteSettingsChanged)):
            for stream in self._streams.values():
                stream.wake()
        elif isinstance(event, (DataReceived, StreamEnded, StreamReset)):
            known = self._streams.get(event.stream_id or 0)
            if known is not None:
                known.heed(event)
            elif isinstance(event, DataReceived):
                # Of an answer that was finished before the whole request had come.
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)

    def _open(self, event: RequestReceived) -> None:
        stream = _Stream(event.stream_id or 0, self)
        scope = _scope([(bytes(name), bytes(value)) for name, value in event.headers or ()], self.transport)
        self._streams[stream.id] = stream
        task = asyncio.get_running_loop().create_task(stream.run(self._app, scope))
        self._state.tasks.add(task)
        task.add_done_callback(lambda done: self._close(stream, done))

    def _close(self, stream: _Stream, task: asyncio.Task[None]) -> None:
        self._state.tasks.discard(task)
        self._streams.pop(stream.id, None)


class _Stream:
    """One request and its answer."""

    def __init__(self, number: int, connection: Http2) -> None:
        self.id = number
        self.is_gone = False
        self._connection = connection
        self._body: deque[tuple[bytes, int]] = deque()
        self._complete = False
        self._taken = False
        self._changed = asyncio.Event()
        self._answered = False

    def heed(self, event: DataReceived | StreamEnded | StreamReset) -> None:
        if isinstance(event, DataReceived):
            self._body.append((event.data or b"", event.flow_controlled_length or 0))
        elif isinstance(event, StreamEnded):
            self._complete = True
        else:
            self.is_gone = True
        self._changed.set()

    def leave(self) -> None:
        self.is_gone = True
        self._changed.set()

    def wake(self) -> None:
        self._changed.set()

    async def room(self) -> None:
        """Return when the client may have made room, or has gone."""
        self._changed.clear()
        await self._changed.wait()

    async def run(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._receive, self._send)
        except StreamClosedError:
            self.leave()
        finally:
            if not self._answered:
                self._connection.abort(self)

    async def _receive(self) -> MutableMapping[str, Any]:
        while not self.is_gone and (self._taken if self._complete else not self._body) and not self._answered:
            await self.room()
        if self.is_gone or self._answered:
            return {"type": "http.disconnect"}
        self._taken = self._complete
        parts = [self._body.popleft() for _ in range(len(self._body))]
        self._connection.taken(self, sum(size for _, size in parts))
        body = b"".join(data for data, _ in parts)
        return {"type": "http.request", "body": body, "more_body": not self._complete}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        if self.is_gone:
            return
        if message["type"] == "http.response.start":
            self._connection.begin(self, message["status"], message.get("headers", ()))
        elif message["type"] == "http.response.body":
            more = message.get("more_body", False)
            await self._connection.send(self, message.get("body", b""), more=more)
            if not more:
                self._answered = True
                self._changed.set()


def _scope(headers: list[tuple[bytes, bytes]], transport: asyncio.Transport | None) -> dict[str, Any]:
    pseudo = {name: value for name, value in headers if name.startswith(b":")}
    raw_path, _, query = pseudo.get(b":path", b"/").partition(b"?")
    usual = [(name, value) for name, value in headers if not name.startswith(b":")]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "2",
        "method": pseudo.get(b":method", b"GET").decode("ascii"),
        "scheme": "http",
        "path": unquote(raw_path.decode("ascii")),
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": [(b"host", pseudo.get(b":authority", b"")), *usual],
        "client": transport.get_extra_info("peername") if transport else None,
        "server": transport.get_extra_info("sockname") if transport else None,
        "state": {},
    }
