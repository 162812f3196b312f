"""Routes of devboxes: their life and their network views."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.creation import parse_create
from pytest_runloop.emulator.domain.lifecycle import Status
from pytest_runloop.emulator.domain.tunnels import parse_tunnel
from pytest_runloop.emulator.http.answers import (
    Answer,
    checked_body,
    cursor,
    devbox_id,
    emulator,
    flag,
    json_body,
    page_view,
    request_id,
    route,
)
from pytest_runloop.emulator.http.views import devbox_view, log_view, tunnel_view

if TYPE_CHECKING:
    from starlette.requests import Request

_DEFAULT_WAIT_S = 10.0
_STATUSES = tuple(status.value for status in Status)
_UPDATE = checks.record({"name": checks.text, "metadata": checks.text_map})
_WAIT = checks.record(
    {"statuses": checks.list_of(checks.choice(_STATUSES)), "timeout_seconds": checks.number}, required=("statuses",)
)


async def create(request: Request) -> Answer:
    """Begin a devbox."""
    wanted = parse_create(await json_body(request))
    return devbox_view(await emulator(request).devboxes.create(wanted, request_id=request_id(request)))


async def create_and_await_running(request: Request) -> Answer:
    """Begin a devbox and hold the answer while it boots, within limits."""
    wanted = parse_create(await json_body(request))
    return devbox_view(await emulator(request).devboxes.create_and_await(wanted, request_id=request_id(request)))


async def retrieve(request: Request) -> Answer:
    """Show a devbox."""
    return devbox_view(emulator(request).devboxes.get(devbox_id(request)))


async def list_(request: Request) -> Answer:
    """List devboxes."""
    word = request.query_params.get("status")
    status = Status(str(checks.choice(_STATUSES)("status", word))) if word else None
    page = emulator(request).devboxes.page(cursor(request), status=status, name=request.query_params.get("name"))
    return page_view(request, page, key="devboxes", view=devbox_view)


async def update(request: Request) -> Answer:
    """Rename a devbox or change its metadata."""
    given = await checked_body(request, _UPDATE)
    devboxes = emulator(request).devboxes
    return devbox_view(devboxes.update(devbox_id(request), name=given.get("name"), metadata=given.get("metadata")))


async def wait_for_status(request: Request) -> Answer:
    """Hold the answer until a devbox has a status."""
    given = await checked_body(request, _WAIT)
    statuses = [Status(word) for word in given["statuses"]]
    timeout_s = given.get("timeout_seconds", _DEFAULT_WAIT_S)
    return devbox_view(await emulator(request).devboxes.wait_for(devbox_id(request), statuses, timeout_s=timeout_s))


async def suspend(request: Request) -> Answer:
    """Begin to suspend a devbox."""
    return devbox_view(emulator(request).devboxes.suspend(devbox_id(request)))


async def resume(request: Request) -> Answer:
    """Begin to resume a devbox."""
    return devbox_view(emulator(request).devboxes.resume(devbox_id(request)))


async def shutdown(request: Request) -> Answer:
    """End a devbox for good."""
    force = flag(request, "force", default=False)
    return devbox_view(emulator(request).devboxes.shut_down(devbox_id(request), force=force))


async def keep_alive(request: Request) -> Answer:
    """Start a devbox's idle time anew."""
    emulator(request).devboxes.keep_alive(devbox_id(request))
    return {}


async def enable_tunnel(request: Request) -> Answer:
    """Open a devbox's tunnel."""
    wanted = parse_tunnel(await json_body(request))
    return tunnel_view(emulator(request).tunnels.enable(devbox_id(request), wanted))


async def remove_tunnel(request: Request) -> Answer:
    """Close a devbox's tunnel."""
    emulator(request).tunnels.remove(devbox_id(request))
    return {}


async def logs(request: Request) -> Answer:
    """Show a devbox's log."""
    query = request.query_params
    entries = emulator(request).logs.entries(
        devbox_id(request), execution_id=query.get("execution_id") or None, shell_name=query.get("shell_name") or None
    )
    return {"logs": [log_view(entry) for entry in entries]}


async def port(request: Request) -> Answer:
    """Open a loopback port that leads into a devbox: the emulator's own route, not Runloop's."""
    return {"url": await emulator(request).ports.url(devbox_id(request), request.path_params["port"])}


ROUTES = [
    route("POST", "/v1/devboxes/create_and_await_running", create_and_await_running),
    route("POST", "/v1/devboxes/{id}/wait_for_status", wait_for_status),
    route("GET", "/v1/devboxes/{id}", retrieve),
    route("POST", "/v1/devboxes/{id}/shutdown", shutdown),
    route("POST", "/v1/devboxes/{id}/suspend", suspend),
    route("POST", "/v1/devboxes/{id}/resume", resume),
    route("POST", "/v1/devboxes/{id}/keep_alive", keep_alive),
    route("POST", "/v1/devboxes/{id}/enable_tunnel", enable_tunnel),
    route("POST", "/v1/devboxes/{id}/remove_tunnel", remove_tunnel),
    route("GET", "/v1/devboxes/{id}/logs", logs),
    route("POST", "/v1/devboxes", create),
    route("GET", "/v1/devboxes", list_),
    route("POST", "/v1/devboxes/{id}", update),
    route("POST", "/_emulator/devboxes/{id}/ports/{port:int}", port),
]
