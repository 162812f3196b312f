"""Trouble on demand: the route that switches it, and what disturbs requests while it is on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from pytest_runloop.emulator.domain.problems import ApiProblem, bad_request
from pytest_runloop.emulator.domain.trouble import Dice, Trouble, parse_trouble
from pytest_runloop.emulator.http.answers import Answer, emulator, json_answer, json_body, route

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from pytest_runloop.emulator.domain.trouble import Disturbance
    from pytest_runloop.emulator.service.emulator import Emulator

_PATH = "/_emulator/trouble"


class Disturb:
    """Let requests go wrong. It stands before everything else, and only while there is something to disturb."""

    def __init__(self, app: ASGIApp, wanted: Trouble) -> None:
        """Begin the sequences.

        Args:
            app: What answers.
            wanted: What goes wrong.
        """
        self.app = app
        self._dice = [
            (one, Dice(one, seed=wanted.seed, what=f"requests {number}")) for number, one in enumerate(wanted.requests)
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or not."""
        path = scope.get("path", "")
        if scope["type"] == "http" and path != _PATH:
            for one, dice in self._dice:
                if one.meets(scope["method"], path) and dice.hit():
                    await self._disturbed(one, scope, receive, send)
                    return
        await self.app(scope, receive, send)

    async def _disturbed(self, one: Disturbance, scope: Scope, receive: Receive, send: Send) -> None:
        if one.delay_s:
            await asyncio.sleep(one.delay_s)
        if one.reset == "before":
            _reset(scope)
            await _end(receive)
        elif one.status is not None:
            await _refusal(one)(scope, receive, send)
        else:
            await self._hampered(one, scope, receive, send)

    async def _hampered(self, one: Disturbance, scope: Scope, receive: Receive, send: Send) -> None:
        async def pass_on(message: Message) -> None:
            body = message.get("body", b"")
            if one.slow_s and body:
                await asyncio.sleep(one.slow_s)
            if one.reset == "midway" and body:
                message = {**message, "body": body[: len(body) // 2], "more_body": True}
            if one.reset != "after":
                await send(message)
            if one.reset == "after" or (one.reset == "midway" and body):
                _reset(scope)

        await self.app(scope, receive, pass_on)
        if one.reset is not None:
            await _end(receive)


def _reset(scope: Scope) -> None:
    scope["app"].state.reset(scope)


async def show(request: Request) -> Answer:
    """Show what trouble there is."""
    troubles = emulator(request).troubles
    return (Trouble() if troubles is None else troubles.wanted).view


async def change(request: Request) -> Answer:
    """Put other trouble in its place; an empty object ends it."""
    wanted = parse_trouble(await json_body(request))
    _apply(request.app, emulator(request), wanted)
    return wanted.view


def begin(app: Starlette, wanted: Mapping[str, object]) -> None:
    """Begin with trouble.

    Raises:
        ApiProblem: 400 naming the guilty field.
    """
    try:
        _apply(app, cast("Emulator", app.state.emulator), parse_trouble(wanted))
    except ApiProblem as problem:
        raise bad_request(f"trouble: {problem.message}") from None


def _apply(app: Starlette, emulator: Emulator, wanted: Trouble) -> None:
    stack: Any = app.middleware_stack or app.build_middleware_stack()
    undisturbed = stack.app if isinstance(stack, Disturb) else stack
    app.middleware_stack = Disturb(undisturbed, wanted) if wanted.requests else undisturbed
    emulator.wish(None if wanted == Trouble() else wanted)


def _refusal(one: Disturbance) -> ASGIApp:
    status = one.status or 500
    problem = ApiProblem(status, f"This {status} was asked for: trouble with {one.method} {one.path}.")
    headers = {} if one.retry_after_s is None else {"Retry-After": f"{one.retry_after_s:g}"}
    return json_answer(problem.body, status=status, headers=headers)


async def _end(receive: Receive) -> None:
    """Wait until the server knows that the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


ROUTES = [
    route("GET", _PATH, show),
    route("PUT", _PATH, change),
]
