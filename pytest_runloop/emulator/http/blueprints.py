"""Routes of blueprints."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain import builds, checks
from pytest_runloop.emulator.domain.builds import Blueprint, BuildStatus, parse_build
from pytest_runloop.emulator.domain.problems import bad_request
from pytest_runloop.emulator.http.answers import (
    Answer,
    checked_body,
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

_FROM_INSPECTION = checks.record(
    {
        "name": checks.text,
        "inspection_source": checks.record(
            {"inspection_id": checks.text, "github_auth_token": checks.text}, required=("inspection_id",)
        ),
        "system_setup_commands": checks.list_of(checks.text),
        "launch_parameters": checks.mapping,
        "file_mounts": checks.text_map,
        "metadata": checks.text_map,
        "secrets": checks.environment,
        "network_policy_id": checks.text,
    },
    required=("name", "inspection_source"),
)
_STATUSES = tuple(status.value for status in BuildStatus)


async def create(request: Request) -> Answer:
    """Begin to build a blueprint."""
    wanted = parse_build(await json_body(request))
    return blueprint_view(await emulator(request).blueprints.create(wanted, request_id=request_id(request)))


async def create_from_inspection(request: Request) -> Answer:
    """Refuse to build from an inspection: only repository connections make them, and there are none."""
    given = await checked_body(request, _FROM_INSPECTION)
    inspection = given["inspection_source"]["inspection_id"]
    raise bad_request(
        f"inspection_source.inspection_id: no inspection {inspection!r}; the emulator has no repository connections."
        " Build the blueprint from a Dockerfile instead."
    )


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
    route("POST", "/v1/blueprints/create_from_inspection", create_from_inspection),
    route("GET", "/v1/blueprints/{id}", retrieve),
    route("GET", "/v1/blueprints/{id}/logs", logs),
    route("POST", "/v1/blueprints/{id}/delete", delete),
    route("POST", "/v1/blueprints", create),
    route("GET", "/v1/blueprints", list_),
]
