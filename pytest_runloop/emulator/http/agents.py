"""Routes of agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.agents import parse_agent
from pytest_runloop.emulator.http.answers import Answer, cursor, emulator, flag, json_body, request_id, route
from pytest_runloop.emulator.http.listing import no_records, records, wanted

if TYPE_CHECKING:
    from starlette.requests import Request


async def create(request: Request) -> Answer:
    """Keep an agent."""
    fields = parse_agent(await json_body(request))
    return (await emulator(request).agents.create(fields, request_id=request_id(request))).view


async def retrieve(request: Request) -> Answer:
    """Show an agent."""
    return emulator(request).agents.catalog.get(request.path_params["id"]).view


async def list_(request: Request) -> Answer:
    """List agents."""
    if flag(request, "is_public", default=False):
        return no_records(request, key="agents")
    version = request.query_params.get("version")
    page = emulator(request).agents.page(wanted(request, name="part"), cursor(request), version=version)
    return records(request, page, key="agents")


async def list_public(request: Request) -> Answer:
    """List public agents, of which the emulator has none."""
    return no_records(request, key="agents")


async def devbox_counts(request: Request) -> Answer:
    """Count devboxes by the agents mounted into them."""
    counts = emulator(request).agents.devbox_counts()
    return {"counts": counts, "total_count": sum(counts.values())}


async def delete(request: Request) -> Answer:
    """Delete an agent."""
    emulator(request).agents.catalog.delete(request.path_params["id"])
    return {}


ROUTES = [
    route("GET", "/v1/agents/devbox_counts", devbox_counts),
    route("GET", "/v1/agents/list_public", list_public),
    route("POST", "/v1/agents", create),
    route("GET", "/v1/agents", list_),
    route("GET", "/v1/agents/{id}", retrieve),
    route("POST", "/v1/agents/{id}/delete", delete),
]
