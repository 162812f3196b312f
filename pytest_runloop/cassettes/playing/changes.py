"""What a devbox is told to become, and the looks until it has. Pure.

After a suspension, a resumption or a shutdown a client looks, and waits only if the devbox is still on its way: it
depends on how busy the machine was. So what is looked at on the way is written as it was seen at the end, and the wait
between is left out. Looks that something else comes between are not such, and stay as they were.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from pytest_runloop.cassettes.exchange import RUNLOOP, Exchange, Request
from pytest_runloop.cassettes.playing import life

_DEVBOX = re.compile(r"/v1/devboxes/(?!disk_snapshots\b|create_and_await_running\b)(?P<id>[^/?]+)(?P<what>/[^?]*)?")
_GONE = frozenset({"shutdown", "failure"})
_AIMS: Mapping[str, frozenset[str]] = MappingProxyType(
    {"/suspend": _GONE | {"suspended"}, "/resume": _GONE | {"running"}, "/shutdown": _GONE}
)
_WAIT = "/wait_for_status"
_OK = 200


@dataclass
class _Change:
    """A devbox on its way.

    Attributes:
        aims: The statuses in which it has arrived.
        looks: Where the looks are that saw it on its way.
        seen: The status that the last look saw, once it had arrived.
    """

    aims: frozenset[str]
    looks: list[int] = field(default_factory=list)
    seen: str = ""


def folded(exchanges: Sequence[Exchange]) -> tuple[Exchange, ...]:
    """Return exchanges in which a devbox is seen only where it was to go."""
    kept: dict[int, Exchange] = {}
    changes: dict[str, _Change] = {}
    for number, exchange in enumerate(exchanges):
        found = _DEVBOX.match(exchange.request.path) if exchange.request.host == RUNLOOP else None
        kept[number] = exchange
        if found is None:
            continue
        change = changes.get(found["id"])
        if change is not None and _is_look(exchange.request, found["what"]):
            _look(change, number, kept)
        elif change is not None or found["what"] in _AIMS:
            changes.pop(found["id"], None)
            if exchange.request.method == "POST" and found["what"] in _AIMS:
                changes[found["id"]] = _Change(_AIMS[found["what"]])
    return tuple(kept.values())


def said(look: Exchange, wait: Request) -> bool:
    """Return whether the answer to a look is one to a wait for the same devbox as well."""
    return _status(look) in _statuses(wait)


def _is_look(request: Request, what: str | None) -> bool:
    return what == _WAIT if request.method == "POST" else request.method == "GET" and what is None


def _look(change: _Change, number: int, kept: dict[int, Exchange]) -> None:
    exchange = kept[number]
    status, is_wait = _status(exchange), exchange.request.method == "POST"
    if not status or (is_wait and (status not in _statuses(exchange.request) or status not in change.aims)):
        # It was refused, was in vain, or was for something on the way: that is what happened.
        change.looks, change.seen = [], ""
    elif status not in change.aims:
        change.looks.append(number)
    elif change.looks:
        kept[change.looks[0]] = replace(kept[change.looks[0]], response=exchange.response)
        for superfluous in (*change.looks[1:], number):
            del kept[superfluous]
        change.looks, change.seen = [], status
    elif is_wait and change.seen == status:
        del kept[number]
    elif not is_wait:
        change.seen = status


def _status(exchange: Exchange) -> str:
    response = exchange.response
    if response is None or response.status != _OK or not response.complete:
        return ""
    return str(life.fields(response.content).get("status", ""))


def _statuses(request: Request) -> Sequence[object]:
    statuses = life.fields(request.body).get("statuses")
    return statuses if isinstance(statuses, list) else ()
