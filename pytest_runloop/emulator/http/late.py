"""Routes that are loaded by the first request for them: an emulator starts without what most runs never ask for."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING

from starlette.routing import BaseRoute, Match, Router

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Receive, Scope, Send


class Late(BaseRoute):
    """The ``ROUTES`` of a module of this room, for paths that begin as a pattern says."""

    def __init__(self, pattern: str, module: str) -> None:
        """Note where the routes are.

        Args:
            pattern: A regular expression; whatever path begins with it is this module's, also to say 404.
            module: Its name in this package.
        """
        self._pattern = pattern
        self._module = module
        self._router: Router | None = None

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Tell whether a path is this module's."""
        mine = scope["type"] in {"http", "websocket"} and re.match(self._pattern, scope["path"])
        return (Match.FULL, {}) if mine else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the module's routes answer."""
        if self._router is None:
            self._router = Router(routes=_routes(self._module))
        await self._router(scope, receive, send)


def _routes(module: str) -> Sequence[BaseRoute]:
    routes: Sequence[BaseRoute] = import_module(f"pytest_runloop.emulator.http.{module}").ROUTES
    return routes
