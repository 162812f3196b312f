"""What a client would wait for, when a recording says that it waited in vain.

A poll that did not end is answered at once, and the time it would have taken is left out: on our own clock (the tape
does that), and on the one that the vendor's client measures its polls with. Without the latter it would ask again and
again until its timeout is over.
"""

from __future__ import annotations

import sys
import time
from types import ModuleType
from typing import Any

from pytest_runloop import tape
from pytest_runloop.cassettes.exchange import RUNLOOP, Request, Response
from pytest_runloop.cassettes.playing import life

_POLL = "/wait_for_status"
_POLLERS = ("wait_for_status", "polling", "polling_async")
_REQUEST_TIMEOUT = 408


def is_poll(request: Request) -> bool:
    """Tell whether the service holds a request until something has happened or its time is over."""
    return request.host == RUNLOOP and request.path.endswith(_POLL)


def in_vain() -> Response:
    """Return what the service answers to a poll whose time is over."""
    body = b'{"message":"Timeout waiting for status"}'
    headers = {"content-type": "application/json", "x-should-retry": "false"}
    return Response(status=_REQUEST_TIMEOUT, headers=headers, chunks=(body,))


def leave_out(request: Request) -> None:
    """Leave out the seconds that a poll was to take, for the running task."""
    tape.skip(life.waited_s(request, in_vain()))


class PolledTime(ModuleType):
    """The standard ``time``, whose clock counts what was left out."""

    def __init__(self) -> None:
        super().__init__("time")

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the standard module has
        return getattr(time, name)

    @staticmethod
    def time() -> float:
        return time.time() + (tape.clock() - time.monotonic())


def pollers() -> list[ModuleType]:
    """Give the modules of the vendor's client that measure polls, as far as they are loaded and do it by ``time``."""
    found = [sys.modules.get(f"runloop_api_client.lib.{name}") for name in _POLLERS]
    return [module for module in found if module is not None and getattr(module, "time", None) is time]
