"""Which requests only wait for something, whether it came, and which of them a replay can do without. Pure.

A poll in vain is left out only if a later, equal one got there and nothing in between touched what it waited for: else
it is what a time-out looks like, and the replay needs it. Equal polls that got there are all kept: a resume sends two.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_runloop.cassettes.exchange import RUNLOOP, Exchange, Request, Response

_DEVBOX = r"/v1/devboxes/(?P<devbox>[^/?]+)"
_EXECUTION = rf"{_DEVBOX}/executions/(?P<execution>[^/?]+)"
_QUERY = r"(?:\?.*)?"
_WAITS = re.compile(rf"(?:{_DEVBOX}|{_EXECUTION.replace('devbox>', 'owner>')})/wait_for_status{_QUERY}")
_READS = tuple(
    re.compile(pattern + _QUERY)
    for pattern in (
        r"/v1/devboxes/disk_snapshots/(?P<thing>[^/?]+)/status",
        r"/v1/blueprints/(?P<thing>[^/?]+)",
        rf"{_EXECUTION.replace('execution>', 'thing>')}",
    )
)
_TOUCHES = re.compile(
    rf"(?:{_DEVBOX}/(?:suspend|shutdown|resume)|{_EXECUTION.replace('devbox>', 'owner>')}/kill"
    rf"|/v1/devboxes/disk_snapshots/(?P<snapshot>[^/?]+)/delete|/v1/blueprints/(?P<blueprint>[^/?]+)/delete){_QUERY}"
)
_ON_THE_WAY = frozenset({"queued", "provisioning", "building", "in_progress", "running"})
"""Statuses of snapshots, blueprints and executions that are still to change."""

_OK, _TIME_IS_UP = 200, 408


@dataclass(frozen=True)
class _Poll:
    """A poll.

    Attributes:
        wish: What it asks, the same for polls that ask the same.
        things: The devbox, execution, snapshot or blueprint, and what that lives in.
    """

    wish: tuple[object, ...]
    things: frozenset[str]
    is_vain: bool
    is_served: bool


def settled(exchanges: Sequence[Exchange]) -> tuple[Exchange, ...]:
    """Return exchanges without the polls that a later one made superfluous."""
    served: set[tuple[object, ...]] = set()
    owners: dict[tuple[object, ...], frozenset[str]] = {}
    kept: list[Exchange] = []
    for exchange in reversed(exchanges):
        touched = _touched(exchange.request)
        if touched:
            served -= {wish for wish in served if touched in owners[wish]}
        poll = _poll(exchange)
        if poll is not None and poll.is_served:
            served.add(poll.wish)
            owners[poll.wish] = poll.things
        if poll is None or not poll.is_vain or poll.wish not in served:
            kept.append(exchange)
    return tuple(reversed(kept))


def _touched(request: Request) -> str:
    if request.host != RUNLOOP or request.method != "POST":
        return ""
    found = _TOUCHES.fullmatch(request.path)
    names = ("devbox", "execution", "snapshot", "blueprint")
    return next((found[name] for name in names if found[name]), "") if found else ""


def _poll(exchange: Exchange) -> _Poll | None:
    request = exchange.request
    if request.host != RUNLOOP:
        return None
    response = exchange.response if exchange.response is not None and exchange.response.complete else None
    status = _status(response)
    if request.method == "POST" and (wait := _WAITS.fullmatch(request.path)):
        statuses = tuple(sorted(_statuses(request)))
        is_served = status in statuses
        # Any other refusal is an answer; this one says that the time is up.
        is_vain = not is_served and (status != "" or _code(response) in {None, _TIME_IS_UP})
        return _Poll((request.path, *statuses), frozenset(filter(None, wait.groups())), is_vain, is_served)
    for pattern in _READS:
        if request.method == "GET" and (read := pattern.fullmatch(request.path)):
            is_vain = response is None or status in _ON_THE_WAY
            is_served = status != "" and status not in _ON_THE_WAY
            return _Poll((request.path,), frozenset(read.groups()), is_vain, is_served)
    return None


def _code(response: Response | None) -> int | None:
    return None if response is None else response.status


def _status(response: Response | None) -> str:
    """Return the status that an answer tells; empty if it tells none."""
    if response is None or response.status != _OK:
        return ""
    return next(_words_of(response.content, "status"), "")


def _statuses(request: Request) -> Iterator[str]:
    return _words_of(request.body, "statuses")


def _words_of(content: bytes, name: str) -> Iterator[str]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return
    found = document.get(name) if isinstance(document, dict) else None
    yield from (word for word in (found if isinstance(found, list) else [found]) if isinstance(word, str))
