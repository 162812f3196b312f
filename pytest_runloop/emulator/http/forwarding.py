"""One HTTP request passed on to another server, and its answer passed back, both as they come."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import h11

from pytest_runloop.emulator.domain.problems import ApiProblem
from pytest_runloop.emulator.http.answers import json_answer

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

Header: TypeAlias = "tuple[bytes, bytes]"
_CHUNK = 1 << 16
_HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-authorization", b"proxy-connection", b"te", b"trailer", b"upgrade"}
)


class Forwarding:
    """One request on a connection of its own, so that nothing has to be kept apart from the next one."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, touch: Callable[[], None] = lambda: None
    ) -> None:
        """Take a fresh connection; the caller closes it. ``touch`` is called when something comes by."""
        self._reader = reader
        self._writer = writer
        self._touch = touch
        self._http = h11.Connection(h11.CLIENT)
        self._started = False

    async def run(self, target: str, headers: Iterable[Header], call: tuple[Scope, Receive, Send]) -> None:
        """Pass a request on.

        Args:
            target: Path and query for the other server.
            headers: What it is to see; what belongs to one connection only is left out here.
            call: The request.
        """
        scope, receive, send = call
        try:
            self._ask(scope["method"], target, headers)
        except h11.LocalProtocolError as error:
            await _refuse(400, f"The request can't be passed on: {error}.", call)
            return
        there = asyncio.ensure_future(self._there(receive))
        back = asyncio.ensure_future(self._back(send))
        # The way there ends when the client goes, which ends the way back; an answer may come before all of the body.
        await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
        for task in (there, back):
            task.cancel()
        await asyncio.wait([there, back])
        failure = None if back.cancelled() else back.exception()
        broken = isinstance(failure, (OSError, h11.RemoteProtocolError))
        if broken and not self._started:
            await _refuse(502, f"The program behind it gave no HTTP answer: {failure}.", call)
        elif failure is not None and not broken:
            raise failure

    def _ask(self, method: str, target: str, headers: Iterable[Header]) -> None:
        kept = [(name, value) for name, value in headers if name not in _HOP_BY_HOP and name != b"expect"]
        request = h11.Request(method=method, target=target, headers=[*kept, (b"connection", b"close")])
        self._writer.write(self._http.send(request) or b"")

    async def _there(self, receive: Receive) -> None:
        more = True
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            self._touch()
            if not more:
                continue
            more = message.get("more_body", False)
            with contextlib.suppress(OSError, h11.LocalProtocolError):  # it answered already, and reads no more
                if message.get("body"):
                    self._writer.write(self._http.send(h11.Data(data=message["body"])) or b"")
                if not more:
                    self._writer.write(self._http.send(h11.EndOfMessage()) or b"")
                await self._writer.drain()

    async def _back(self, send: Send) -> None:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(_CHUNK))
                self._touch()
            elif isinstance(event, h11.Response):
                self._started = True
                headers = _kept(event.headers)
                await send({"type": "http.response.start", "status": event.status_code, "headers": headers})
            elif isinstance(event, h11.Data):
                await send({"type": "http.response.body", "body": bytes(event.data), "more_body": True})
            elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
                await send({"type": "http.response.body", "body": b""})
                return


def _kept(headers: Sequence[Header]) -> list[Header]:
    # How long the body is, the server of this side says anew, unless the length is known.
    return [(name, value) for name, value in headers if name not in _HOP_BY_HOP and name != b"transfer-encoding"]


async def _refuse(status: int, message: str, call: tuple[Scope, Receive, Send]) -> None:
    problem = ApiProblem(status, message)
    await json_answer(problem.body, status=status)(*call)
