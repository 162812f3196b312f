"""Routes that tell about devboxes beside their own: usage, growing logs, evictions, and SSH keys."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, TypeVar

from starlette.responses import StreamingResponse

from pytest_runloop.emulator.domain.usage import usage as usage_view
from pytest_runloop.emulator.http.answers import Answer, devbox_id, emulator, route
from pytest_runloop.emulator.http.views import log_view
from pytest_runloop.emulator.service.identity import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from pytest_runloop.emulator.service.evictions import Eviction

T = TypeVar("T")


async def usage(request: Request) -> Answer:
    """Show what a devbox has used."""
    return usage_view(emulator(request).devboxes.get(devbox_id(request)), now_ms=now_ms())


async def tail_logs(request: Request) -> Answer:
    """Stream a devbox's log: what there is, and what comes."""
    query = request.query_params
    entries = emulator(request).log_tail.follow(
        devbox_id(request), execution_id=query.get("execution_id") or None, shell_name=query.get("shell_name") or None
    )
    return _stream(entries, log_view)


async def watch_evictions(request: Request) -> Answer:
    """Stream the evictions that are pending, and each one that is announced."""
    return _stream(emulator(request).evictions.watch(), _eviction_view)


async def create_ssh_key(request: Request) -> Answer:
    """Make an SSH key that a devbox's user accepts."""
    key = await emulator(request).ssh_keys.create(devbox_id(request))
    return {
        "id": devbox_id(request),
        "url": f"{devbox_id(request).replace('_', '-').lower()}.ssh.{request.url.hostname}",
        "ssh_user": key.user,
        "ssh_private_key": key.private,
    }


def _eviction_view(eviction: Eviction) -> Mapping[str, object]:
    return {"devbox_id": eviction.devbox_id, "eviction_deadline_ms": eviction.deadline_ms}


def _stream(items: AsyncIterator[T | None], view: Callable[[T], Mapping[str, object]]) -> StreamingResponse:
    return StreamingResponse(
        _events(items, view), media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
    )


async def _events(items: AsyncIterator[T | None], view: Callable[[T], Mapping[str, object]]) -> AsyncIterator[bytes]:
    yield b": begin\n\n"  # so that a client knows at once that it is listened to
    async for item in items:
        yield b": nothing new\n\n" if item is None else b"data: " + json.dumps(view(item)).encode() + b"\n\n"


_BOX = "/v1/devboxes/{id}"
ROUTES = [
    route("GET", "/v1/devboxes/evictions/watch", watch_evictions),
    route("GET", _BOX + "/usage", usage),
    route("GET", _BOX + "/logs/tail", tail_logs),
    route("POST", _BOX + "/create_ssh_key", create_ssh_key),
]
