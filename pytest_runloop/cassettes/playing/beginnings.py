"""What a request begins: a command, or a devbox; and whether its answer, or a wait after it, says how that went. Pure.

A command is over with the answer that starts it, or with the wait after that: it depends on how busy the machine was.
So both are written as the first: the answer says how the command ended, and the looks that would say it once more are
left out. The same goes for a devbox that is created and awaited by one request. Where somebody acted on a command, or
looked before it was over, nothing is changed: that is what happened.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pytest_runloop.cassettes.exchange import RUNLOOP, Exchange, Request, Response
from pytest_runloop.cassettes.playing import life

_BOXES = "/v1/devboxes"
_CREATE, _CREATE_AND_AWAIT = _BOXES, f"{_BOXES}/create_and_await_running"
_EXECUTE = re.compile(rf"({_BOXES}/[^/]+)/execute(?:_async)?")
_BELOW = re.compile(rf"(?P<box>{_BOXES}/[^/]+)(?P<execution>/executions/[^/]+)?(?P<what>/.+)?")
_WAIT = "/wait_for_status"
_ACTS = frozenset({"/kill", "/send_std_in"})
_CHANGES = frozenset({"/suspend", "/shutdown", "/resume"})
_COMPLETED, _RUNNING = "completed", "running"
_OK = 200


@dataclass(frozen=True)
class Begun:
    """What an answer says of what its request has begun.

    Attributes:
        thing: The path of a command or a devbox.
        status: How far it is.
        is_command: It is a command; those end once and for all.
    """

    thing: str
    status: str
    is_command: bool

    @property
    def is_there(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.status == (_COMPLETED if self.is_command else _RUNNING)

    def answers(self, request: Request) -> bool:
        """Return whether a wait for it, or a look at it, would say no more."""
        statuses = life.fields(request.body).get("statuses")
        return self.is_there and (statuses is None or (isinstance(statuses, list) and self.status in statuses))


def begun(exchange: Exchange) -> Begun | None:
    """Return what an exchange has begun, if it has."""
    request, response = exchange.request, exchange.response
    if request.host != RUNLOOP or request.method != "POST" or response is None:
        return None
    path = _path(request)
    if path in {_CREATE, _CREATE_AND_AWAIT}:
        told = _told(response)
        return Begun(f"{_BOXES}/{told['id']}", str(told.get("status")), is_command=False) if "id" in told else None
    if found := _EXECUTE.fullmatch(path):
        told = _told(response)
        thing = f"{found[1]}/executions/{told.get('execution_id')}"
        return Begun(thing, str(told.get("status")), is_command=True) if "execution_id" in told else None
    return None


def looked_at(request: Request) -> str:
    """Return the path of what a request waits for or, if it is a command, looks at; empty for other requests."""
    found = _BELOW.fullmatch(_path(request)) if request.host == RUNLOOP else None
    if found is None:
        return ""
    is_look = found["what"] == _WAIT or (request.method == "GET" and found["execution"] and not found["what"])
    return f"{found['box']}{found['execution'] or ''}" if is_look else ""


def folded(exchanges: Sequence[Exchange]) -> tuple[Exchange, ...]:
    """Return exchanges in which what had no need to be waited for is not waited for."""
    folding = _Folding(exchanges)
    for exchange in exchanges:
        folding.add(exchange)
    return tuple(folding.kept)


class _Folding:
    """One recording, as far as it was gone through.

    Attributes:
        kept: What stays of it.
    """

    def __init__(self, exchanges: Iterable[Exchange]) -> None:
        self.kept: list[Exchange] = []
        # Of two requests at once, the one that was sent first need not have been answered first.
        self._acted_on = {thing for exchange in exchanges for thing in _acted_on(exchange.request)}
        self._awaited: dict[str, int] = {}
        self._over: dict[str, Response] = {}

    def add(self, exchange: Exchange) -> None:
        if not self._is_said(exchange):
            self._mind(exchange.request)
            self._begin(exchange)
            self.kept.append(exchange)

    def _is_said(self, exchange: Exchange) -> bool:
        """Return whether an exchange can be left out, having its answer said where the thing was begun."""
        thing, response = looked_at(exchange.request), exchange.response
        is_command = "/executions/" in thing
        if response is None or not Begun(thing, str(_told(response).get("status")), is_command=is_command).is_there:
            return False
        if thing in self._awaited:
            place = self._awaited.pop(thing)
            self.kept[place] = replace(self.kept[place], response=response)
            if is_command:
                self._over[thing] = response
            return True
        return thing in self._over and _told(self._over[thing]) == _told(response)

    def _mind(self, request: Request) -> None:
        """No longer count on what another request came before, or made another thing of."""
        found = _BELOW.fullmatch(_path(request))
        if found is None:
            return
        box, execution = found["box"], found["execution"]
        self._awaited.pop(box, None)
        if execution:
            self._awaited.pop(box + execution, None)
        elif found["what"] in _CHANGES:
            self._awaited = {
                thing: at for thing, at in self._awaited.items() if not thing.startswith(f"{box}/executions/")
            }

    def _begin(self, exchange: Exchange) -> None:
        new = begun(exchange)
        if new is None or new.thing in self._acted_on or exchange.response is None:
            return
        if not new.is_there and (new.is_command or _path(exchange.request) == _CREATE_AND_AWAIT):
            self._awaited[new.thing] = len(self.kept)
        elif new.is_there and new.is_command:
            self._over[new.thing] = exchange.response


def _acted_on(request: Request) -> Iterable[str]:
    found = _BELOW.fullmatch(_path(request)) if request.host == RUNLOOP and request.method == "POST" else None
    return [found["box"] + found["execution"]] if found and found["execution"] and found["what"] in _ACTS else []


def _path(request: Request) -> str:
    return request.path.partition("?")[0]


def _told(response: Response) -> dict[str, object]:
    return life.fields(response.content) if response.status == _OK and response.complete else {}
