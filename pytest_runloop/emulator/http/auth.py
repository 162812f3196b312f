"""The bearer key: checked before anything else is looked at."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, cast

from pytest_runloop.emulator.domain.problems import ApiProblem
from pytest_runloop.emulator.http.answers import json_answer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from pytest_runloop.emulator.service.emulator import Emulator

_SIGNED = ("/_emulator/objects/", "/_emulator/pty/", "/_emulator/gateway/", "/_emulator/mcp")
"""What paths begin with whose addresses are signed: they need no key, and their routes check the signature."""
_BEARER = b"Bearer "


class RequireKey:
    """Let only requests through that carry a good key. Plain ASGI: it costs every request next to nothing."""

    def __init__(self, app: ASGIApp, *, api_key: str) -> None:
        self._app = app
        self._expected = f"Bearer {api_key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401, or 403 for a key that may not do this."""
        given = next((value for name, value in scope.get("headers", ()) if name == b"authorization"), b"")
        problem: ApiProblem | None = None
        if not hmac.compare_digest(given, self._expected) and not scope.get("path", "").startswith(_SIGNED):
            problem = _look_up(scope, given)
        if problem is None:
            await self._app(scope, receive, send)
        else:
            await json_answer(problem.body, status=problem.status)(scope, receive, send)


def _look_up(scope: Scope, given: bytes) -> ApiProblem | None:
    """Say what is wrong with a key that is not the emulator's own; None if the account made it."""
    secret = given.removeprefix(_BEARER).decode("latin-1") if given.startswith(_BEARER) else ""
    try:
        if secret.startswith(("ak_", "rk_")):
            emulator = cast("Emulator", scope["app"].state.emulator)
            if emulator.keys.check(secret, method=scope.get("method", "GET"), path=scope["path"]):
                return None
    except ApiProblem as problem:
        return problem
    return ApiProblem(401, "The API key is missing or not this emulator's; send 'Authorization: Bearer <key>'.")
