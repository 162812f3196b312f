"""Requests that are for a devbox and not for the API: told apart by their host name or path, before anything else."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pytest_runloop.emulator.domain.tunnels import PATH, Door, door_of_host, door_of_path

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

DEVBOX = "pytest_runloop.devbox"
"""Where a request for terminals says which devbox it has a token of."""
TERMINALS = "/_emulator/pty"
"""Where such a request is led to."""


class Doors:
    """Lead requests for tunnels aside. Plain ASGI: it costs every other request next to nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the API answer, or a devbox."""
        found = find_door(scope)
        if found is None and not scope["path"].startswith("/pty/"):
            await self._app(scope, receive, send)
            return
        from pytest_runloop.emulator.http.tunnels import enter

        await enter(self._app, found, (scope, receive, send))


def find_door(scope: Scope) -> tuple[Door, str] | None:
    """Give the door that a request is for, and the path with its query behind it; None for the API's own."""
    if scope["path"].startswith(PATH):
        found = door_of_path(_raw_path(scope))
        return None if found is None else (found[0], found[1] + _query(scope))
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    door = door_of_host(host.decode("latin-1")) if b".tunnel" in host else None
    return None if door is None else (door, _raw_path(scope) + _query(scope))


def _raw_path(scope: Scope) -> str:
    raw: bytes = scope["raw_path"]
    text = raw.decode("latin-1")
    # Clients ask a proxy with the whole URL, which one of uvicorn's two parsers leaves in here.
    return text if text.startswith("/") else urlsplit(text).path or "/"


def _query(scope: Scope) -> str:
    return f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
