"""Routes of disk snapshots."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.problems import bad_request
from pytest_runloop.emulator.http.answers import (
    Answer,
    checked_body,
    cursor,
    devbox_id,
    emulator,
    page_view,
    request_id,
    route,
)
from pytest_runloop.emulator.http.views import snapshot_status_view, snapshot_view
from pytest_runloop.emulator.service.snapshots import Label, SnapshotFilter

if TYPE_CHECKING:
    from starlette.requests import Request

_MAX_MESSAGE = 1000
_METADATA = re.compile(r"metadata\[([^\]]+)\](\[in\])?")


def _message(field: str, value: object) -> str:
    text = checks.text(field, value)
    if len(text) > _MAX_MESSAGE:
        raise bad_request(f"{field}: {len(text)} characters; at most {_MAX_MESSAGE} are allowed.")
    return text


_LABEL = checks.record({"name": checks.text, "metadata": checks.text_map, "commit_message": _message})


async def snapshot_disk(request: Request) -> Answer:
    """Take a snapshot and hold the answer until it is there."""
    label = Label(**await checked_body(request, _LABEL))
    snapshots = emulator(request).snapshots
    return snapshot_view(await snapshots.take(devbox_id(request), label, request_id=request_id(request)))


async def snapshot_disk_async(request: Request) -> Answer:
    """Begin a snapshot."""
    label = Label(**await checked_body(request, _LABEL))
    snapshots = emulator(request).snapshots
    return snapshot_view(await snapshots.start(devbox_id(request), label, request_id=request_id(request)))


async def status(request: Request) -> Answer:
    """Show how far a snapshot is."""
    return snapshot_status_view(await emulator(request).snapshots.look(request.path_params["id"]))


async def list_(request: Request) -> Answer:
    """List snapshots."""
    page = emulator(request).snapshots.page(snapshot_filter(request), cursor(request))
    return page_view(request, page, key="snapshots", view=snapshot_view)


async def update(request: Request) -> Answer:
    """Rename a snapshot or change what is said about it."""
    label = Label(**await checked_body(request, _LABEL))
    return snapshot_view(emulator(request).snapshots.update(request.path_params["id"], label))


async def delete(request: Request) -> Answer:
    """Delete a snapshot."""
    await emulator(request).snapshots.delete(request.path_params["id"])
    return {}


def snapshot_filter(request: Request) -> SnapshotFilter:
    """Read which snapshots a list shall have."""
    query = request.query_params
    metadata = {}
    for name, value in query.multi_items():
        found = _METADATA.fullmatch(name)
        if found is not None:
            metadata[found[1]] = frozenset(value.split(",") if found[2] else (value,))
    return SnapshotFilter(
        devbox_id=query.get("devbox_id") or None,
        source_blueprint_id=query.get("source_blueprint_id") or None,
        metadata=metadata,
    )


_ONE = "/v1/devboxes/disk_snapshots/{id}"
ROUTES = [
    route("GET", "/v1/devboxes/disk_snapshots", list_),
    route("GET", _ONE + "/status", status),
    route("POST", _ONE + "/delete", delete),
    route("POST", _ONE, update),
    route("POST", "/v1/devboxes/{id}/snapshot_disk", snapshot_disk),
    route("POST", "/v1/devboxes/{id}/snapshot_disk_async", snapshot_disk_async),
]
