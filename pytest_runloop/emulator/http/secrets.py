"""Routes of secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.http.answers import Answer, checked_body, emulator, number, request_id, route
from pytest_runloop.emulator.http.views import secret_view
from pytest_runloop.emulator.service.paging import MAX_LIMIT

if TYPE_CHECKING:
    from starlette.requests import Request

_CREATE = checks.record({"name": checks.text, "value": checks.text}, required=("name", "value"))
_UPDATE = checks.record({"value": checks.text}, required=("value",))


async def create(request: Request) -> Answer:
    """Keep a secret."""
    given = await checked_body(request, _CREATE)
    secrets = emulator(request).secrets
    return secret_view(await secrets.create(given["name"], given["value"], request_id=request_id(request)))


async def retrieve(request: Request) -> Answer:
    """Show a secret, but not its value."""
    return secret_view(emulator(request).secrets.get(request.path_params["name"]))


async def update(request: Request) -> Answer:
    """Give a secret a new value."""
    given = await checked_body(request, _UPDATE)
    return secret_view(emulator(request).secrets.update(request.path_params["name"], given["value"]))


async def delete(request: Request) -> Answer:
    """Forget a secret."""
    return secret_view(emulator(request).secrets.delete(request.path_params["name"]))


async def list_(request: Request) -> Answer:
    """List secrets; this list has no cursor."""
    everything = emulator(request).secrets.all()
    limit = number(request, "limit", default=MAX_LIMIT, minimum=1, maximum=MAX_LIMIT)
    shown = [secret_view(secret) for secret in everything[:limit]]
    return {"secrets": shown, "has_more": len(everything) > limit, "total_count": len(everything)}


ROUTES = [
    route("POST", "/v1/secrets", create),
    route("GET", "/v1/secrets", list_),
    route("GET", "/v1/secrets/{name}", retrieve),
    route("POST", "/v1/secrets/{name}", update),
    route("POST", "/v1/secrets/{name}/delete", delete),
]
