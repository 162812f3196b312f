"""Routes of blueprints."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain import builds, checks
from pytest_runloop.emulator.domain.builds import Blueprint, BuildStatus, parse_build
from pytest_runloop.emulator.http.answers import (
    Answer,
    cursor,
    emulator,
    json_body,
    page_view,
    request_id,
    route,
)
from pytest_runloop.emulator.http.views import blueprint_view
from pytest_runloop.emulator.service.paging import Page

if TYPE_CHECKING:
    from starlette.requests import Request

_STATUSES = tuple(status.value for status in BuildStatus)


async def create(request: Request) -> Answer:
    """Begin to build a blueprint."""
    wanted = parse_build(await json_body(request))
    return blueprint_view(await emulator(request).blueprints.create(wanted, request_id=request_id(request)))


async def preview(request: Request) -> Answer:
    """Show the Dockerfile that would be built."""
    return {"dockerfile": builds.preview(parse_build(await json_body(request)))}


async def retrieve(request: Request) -> Answer:
    """Show a blueprint."""
    return blueprint_view(await emulator(request).blueprints.look(request.path_params["id"]))


async def list_(request: Request) -> Answer:
    """List the account's blueprints."""
    return _list(request, emulator(request).blueprints.page)


async def list_public(request: Request) -> Answer:
    """List the base blueprints."""
    return _list(request, emulator(request).blueprints.public_page)


async def logs(request: Request) -> Answer:
    """Show a build's log."""
    blueprint_id = request.path_params["id"]
    entries = emulator(request).blueprints.log(blueprint_id)
    return {"blueprint_id": blueprint_id, "logs": [dataclasses.asdict(entry) for entry in entries]}


async def delete(request: Request) -> Answer:
    """Delete a blueprint."""
    await emulator(request).blueprints.delete(request.path_params["id"])
    return {}


def _list(request: Request, page: Callable[..., Page[Blueprint]]) -> Answer:
    word = request.query_params.get("status")
    status = BuildStatus(str(checks.choice(_STATUSES)("status", word))) if word else None
    found = page(cursor(request), name=request.query_params.get("name") or None, status=status)
    return page_view(request, found, key="blueprints", view=blueprint_view)


ROUTES = [
    route("GET", "/v1/blueprints/list_public", list_public),
    route("POST", "/v1/blueprints/preview", preview),
    route("GET", "/v1/blueprints/{id}", retrieve),
    route("GET", "/v1/blueprints/{id}/logs", logs),
    route("POST", "/v1/blueprints/{id}/delete", delete),
    route("POST", "/v1/blueprints", create),
    route("GET", "/v1/blueprints", list_),
]
