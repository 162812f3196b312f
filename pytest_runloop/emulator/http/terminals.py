"""Routes of terminals in devboxes, and the WebSocket by which they are used."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.problems import ApiProblem, bad_request
from pytest_runloop.emulator.http.answers import Answer, checked_body, devbox_id, emulator, json_answer, route
from pytest_runloop.emulator.http.doors import DEVBOX, TERMINALS
from pytest_runloop.emulator.service.terminals import IDLE_TTL_S, SIDE, signal_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import HTTPConnection, Request

    from pytest_runloop.emulator.service.emulator import Emulator
    from pytest_runloop.emulator.service.terminals import Session, Terminals

PROTOCOL_VERSION = "1"
_ACTIONS = ("resize", "signal", "close")
_CONTROL = checks.record(
    {
        "action": checks.choice(_ACTIONS),
        "cols": checks.integer(SIDE.start, SIDE.stop - 1),
        "rows": checks.integer(SIDE.start, SIDE.stop - 1),
        "signal": checks.text,
    },
    required=("action",),
)


async def create_pty_tunnel(request: Request) -> Answer:
    """Give a new way to a devbox's terminals."""
    access = emulator(request).terminals.give_access(devbox_id(request))
    return {"tunnel_key": access.key, "auth_token": access.token}


async def connect(request: Request) -> Answer:
    """Find a terminal, or make it."""
    name = request.path_params["session_name"]
    terminals = emulator(request).terminals
    session, created = await terminals.connect(_devbox(request, terminals), name, size=_size(request))
    return {
        "session_name": name,
        "status": "ok",
        "protocol_version": PROTOCOL_VERSION,
        "connect_url": f"/pty/{name}/attach",
        "created": created,
        "attached": session.attached,
        "cols": session.size[0],
        "rows": session.size[1],
        "idle_ttl_seconds": IDLE_TTL_S,
    }


async def control(request: Request) -> Answer:
    """Resize, signal or end a terminal."""
    name = request.path_params["session_name"]
    given = await checked_body(request, _CONTROL)
    terminals = emulator(request).terminals
    devbox = _devbox(request, terminals)
    session = terminals.find(devbox, name)
    if given["action"] == "resize":
        if "cols" not in given or "rows" not in given:
            raise bad_request("cols, rows: both are required to resize.")
        session.resize(given["cols"], given["rows"])
    elif given["action"] == "signal":
        session.signal(signal_number(given.get("signal", "")))
    else:
        terminals.close(devbox, session)
    return {"session_name": name, "status": "ok"}


async def attach(websocket: WebSocket) -> None:
    """Carry what is typed and what is shown."""
    terminals = cast("Emulator", websocket.app.state.emulator).terminals
    try:
        devbox = _devbox(websocket, terminals)
        session = terminals.find(devbox, websocket.path_params["session_name"])
        session.attach()
    except ApiProblem as problem:
        await websocket.send_denial_response(json_answer(problem.body, status=problem.status))
        return
    try:
        # A client that offers sub-protocols is refused by browsers unless one of them is taken.
        await websocket.accept(subprotocol=next(iter(websocket.scope["subprotocols"]), None))
        await _carry(websocket, session, lambda: terminals.touch(devbox))
    finally:
        session.detach()


async def _carry(websocket: WebSocket, session: Session, touch: Callable[[], None]) -> None:
    tasks = [asyncio.ensure_future(work(websocket, session, touch)) for work in (_show, _type)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        # The client has gone: Starlette says it by the first, or the second, or uvicorn by the third.
        if isinstance(result, Exception) and not isinstance(result, (WebSocketDisconnect, RuntimeError, OSError)):
            raise result


async def _show(websocket: WebSocket, session: Session, touch: Callable[[], None]) -> None:
    while data := await session.output():
        touch()
        await websocket.send_bytes(data)
    await websocket.close()


async def _type(websocket: WebSocket, session: Session, touch: Callable[[], None]) -> None:
    while (message := await websocket.receive())["type"] != "websocket.disconnect":
        touch()
        await session.type(message.get("bytes") or (message.get("text") or "").encode())


def _devbox(request: HTTPConnection, terminals: Terminals) -> str:
    given = request.scope.get(DEVBOX)
    if given is None and request.url.path.startswith(TERMINALS):
        raise ApiProblem(401, "This address is the emulator's own; ask under the tunnel's.")
    return str(given) if given else terminals.devbox_of()


def _size(request: Request) -> tuple[int, int] | None:
    """Read the wanted size; one side alone, or one out of range, changes nothing."""
    words = [request.query_params.get(side, "") for side in ("cols", "rows")]
    if not all(word.isascii() and word.isdigit() for word in words):
        return None
    cols, rows = (int(word) for word in words)
    return (cols, rows) if cols in SIDE and rows in SIDE else None


ROUTES = [
    route("POST", "/v1/devboxes/{id}/create_pty_tunnel", create_pty_tunnel),
    *(
        one
        for base in ("/pty", TERMINALS)
        for one in (
            route("GET", base + "/{session_name}", connect),
            route("POST", base + "/{session_name}/control", control),
            WebSocketRoute(base + "/{session_name}/attach", attach),
        )
    ),
]
