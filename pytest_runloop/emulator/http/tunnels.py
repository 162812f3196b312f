"""Requests that come by a tunnel: HTTP forwarded request by request, WebSockets byte by byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from urllib.parse import quote, unquote

from pytest_runloop.emulator.domain.problems import ApiProblem
from pytest_runloop.emulator.http.answers import json_answer
from pytest_runloop.emulator.http.doors import DEVBOX, TERMINALS
from pytest_runloop.emulator.http.forwarding import Forwarding, Header
from pytest_runloop.emulator.service.terminals import PORT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from pytest_runloop.emulator.domain.tunnels import Door
    from pytest_runloop.emulator.service.emulator import Emulator
    from pytest_runloop.emulator.service.tunnels import Way

_TOKEN = b"x-runloop-tunnel-authorization"
_PROTOCOL = b"sec-websocket-protocol"


async def enter(app: ASGIApp, found: tuple[Door, str] | None, call: tuple[Scope, Receive, Send]) -> None:
    """Answer a request that is, or may be, for something in a devbox.

    Args:
        app: Answers what is for no program in a devbox.
        found: The door, and the path with the query behind it; None for one that may be for terminals.
        call: The request.
    """
    scope, receive, send = call
    emulator = cast("Emulator", scope["app"].state.emulator)
    try:
        if found is None:
            await app(_with_terminals(scope, emulator), receive, send)
        elif emulator.terminals.knows(found[0].key):
            await app(_terminals(scope, emulator, *found), receive, send)
        else:
            await _forward(emulator, *found, call)
    except ApiProblem as problem:
        await json_answer(problem.body, status=problem.status, headers=problem.headers)(scope, receive, send)


async def _forward(emulator: Emulator, door: Door, target: str, call: tuple[Scope, Receive, Send]) -> None:
    headers = call[0]["headers"]
    way = await emulator.tunnels.open(door, tokens(headers))
    try:
        await Forwarding(way.reader, way.writer, touch=way.touch).run(target, forwarded(headers, way), call)
    finally:
        way.writer.close()


def _with_terminals(scope: Scope, emulator: Emulator) -> Scope:
    """Let a bearer of a terminals' token ask on the API's own address."""
    found = [devbox for token in tokens(scope["headers"]) if (devbox := emulator.terminals.devbox_by(token))]
    return _led(scope, scope["path"], found[0]) if found else scope


def _terminals(scope: Scope, emulator: Emulator, door: Door, target: str) -> Scope:
    path = unquote(target.partition("?")[0])
    if door.port != PORT or not path.startswith("/pty/"):
        raise ApiProblem(404, f"{path} on port {door.port}: this tunnel leads only to /pty/… on port {PORT}.")
    return _led(scope, path, emulator.terminals.enter(door.key, tokens(scope["headers"])))


def _led(scope: Scope, path: str, devbox: str) -> Scope:
    path = TERMINALS + path.removeprefix("/pty")
    return {**scope, "path": path, "raw_path": quote(path).encode(), DEVBOX: devbox}


def tokens(headers: Iterable[Header]) -> list[str]:
    """Give everything in a request that may be a tunnel's token."""
    found = []
    for name, value in headers:
        text = value.decode("latin-1")
        if name in {_TOKEN, b"authorization"}:
            found.append(text.removeprefix("Bearer "))
        elif name == _PROTOCOL:  # where a browser's WebSocket can put it
            found += [protocol.strip() for protocol in text.split(",")]
    return found


def forwarded(headers: Iterable[Header], way: Way) -> list[Header]:
    """Leave out what was for the tunnel itself."""
    bearer = f"Bearer {way.token}".encode()
    return [(name, value) for name, value in headers if name != _TOKEN and value != bearer]
