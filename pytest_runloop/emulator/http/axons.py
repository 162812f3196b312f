"""Routes of axons."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse

from pytest_runloop.emulator.domain.axons import parse_axon, parse_axon_update, parse_batch, parse_event, parse_query
from pytest_runloop.emulator.http.answers import (
    Answer,
    checked_body,
    cursor,
    emulator,
    flag,
    json_body,
    number,
    request_id,
    route,
)
from pytest_runloop.emulator.http.listing import records, wanted

if TYPE_CHECKING:
    from starlette.requests import Request

    from pytest_runloop.emulator.service.axons import Axons

_SSE_HEADERS = {"Cache-Control": "no-cache"}


async def create(request: Request) -> Answer:
    """Make an axon."""
    given = await checked_body(request, parse_axon)
    return (await _axons(request).create(given, request_id=request_id(request))).view


async def retrieve(request: Request) -> Answer:
    """Show an axon."""
    return _axons(request).catalog.get(_id(request)).view


async def update(request: Request) -> Answer:
    """Replace an axon's metadata."""
    given = await checked_body(request, parse_axon_update)
    catalog = _axons(request).catalog
    with catalog.alone():
        return catalog.save(catalog.get(_id(request)).but(**given)).view


async def delete(request: Request) -> Answer:
    """Delete an axon."""
    await _axons(request).delete(_id(request))
    return {}


async def list_(request: Request) -> Answer:
    """List axons."""
    page = _axons(request).catalog.page(wanted(request, "id", name="start"), cursor(request))
    return records(request, page, key="axons")


async def publish(request: Request) -> Answer:
    """Append an event."""
    event = parse_event(await json_body(request))
    sequence, time_ms = await _axons(request).publish(_id(request), event, request_id=request_id(request))
    return {"sequence": sequence, "timestamp_ms": time_ms}


async def events(request: Request) -> Answer:
    """List events."""
    counted = flag(request, "include_total_count", default=True)
    page = await _axons(request).events(_id(request), cursor(request))
    return page if counted else {**page, "total_count": None}


async def subscribe(request: Request) -> Answer:
    """Stream events."""
    after = number(request, "after_sequence", default=0, minimum=0, maximum=2**62)
    _axons(request).catalog.get(_id(request))
    return StreamingResponse(_events(request, after), media_type="text/event-stream", headers=_SSE_HEADERS)


async def query(request: Request) -> Answer:
    """Run a statement."""
    statement = parse_query(await json_body(request))
    return await _axons(request).query(_id(request), statement)


async def batch(request: Request) -> Answer:
    """Run statements in one transaction."""
    statements = parse_batch(await json_body(request))
    return {"results": await _axons(request).batch(_id(request), statements)}


async def _events(request: Request, after: int) -> AsyncIterator[bytes]:
    async for event in _axons(request).subscribe(_id(request), after=after):
        yield b": nothing new\n\n" if event is None else b"data: " + json.dumps(event).encode() + b"\n\n"


def _id(request: Request) -> str:
    return str(request.path_params["id"])


def _axons(request: Request) -> Axons:
    return emulator(request).axons


_ONE = "/v1/axons/{id}"
ROUTES = [
    route("POST", _ONE + "/publish", publish),
    route("GET", _ONE + "/events", events),
    route("GET", _ONE + "/subscribe/sse", subscribe),
    route("POST", _ONE + "/sql/query", query),
    route("POST", _ONE + "/sql/batch", batch),
    route("POST", "/v1/axons", create),
    route("GET", "/v1/axons", list_),
    route("GET", _ONE, retrieve),
    route("POST", _ONE, update),
    route("DELETE", _ONE, delete),
]
