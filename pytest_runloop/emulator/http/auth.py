"""The bearer key: checked before anything else is looked at."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.problems import ApiProblem
from pytest_runloop.emulator.http.answers import json_answer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class RequireKey:
    """Let only requests through that carry the emulator's key. Plain ASGI: it costs every request next to nothing."""

    def __init__(self, app: ASGIApp, *, api_key: str) -> None:
        self._app = app
        self._expected = f"Bearer {api_key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401."""
        given = next((value for name, value in scope.get("headers", ()) if name == b"authorization"), b"")
        if hmac.compare_digest(given, self._expected):
            await self._app(scope, receive, send)
            return
        problem = ApiProblem(401, "The API key is missing or not this emulator's; send 'Authorization: Bearer <key>'.")
        await json_answer(problem.body, status=problem.status)(scope, receive, send)
