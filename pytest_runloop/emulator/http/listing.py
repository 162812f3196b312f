"""Which records of a list a request wants, and what families of records have in common."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.catalog import Filter, Record
from pytest_runloop.emulator.http.answers import Answer, cursor, page_view, route
from pytest_runloop.emulator.service.paging import Page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

    from pytest_runloop.emulator.service.catalog import Catalog

_METADATA = re.compile(r"metadata\[([^\]]+)\](\[in\])?")


def wanted(request: Request, *equal: str, name: str = "equal") -> Filter:
    """Read a list's filter.

    Args:
        request: The request.
        equal: Query parameters that are compared with the field of their name.
        name: How the name is compared: ``equal``, ``part`` or ``start``.
    """
    query = request.query_params
    fields = (*equal, "name") if name == "equal" else equal
    metadata = {}
    for parameter, value in query.multi_items():
        found = _METADATA.fullmatch(parameter)
        if found is not None:
            metadata[found[1]] = frozenset(value.split(",") if found[2] else (value,))
    return Filter(
        equal={field: query.get(field) or None for field in fields},
        name_part=query.get("name", "") if name == "part" else "",
        name_start=query.get("name", "") if name == "start" else "",
        search=query.get("search", ""),
        metadata=metadata,
    )


def records(request: Request, page: Page[Record], *, key: str) -> Answer:
    """Print a page of records."""
    return page_view(request, page, key=key, view=lambda record: record.view)


def no_records(request: Request, *, key: str) -> Answer:
    """Print the list of a family whose public records the emulator has none of."""
    cursor(request)
    return records(request, Page(items=[], has_more=False, total_count=0), key=key)


def archive_routes(path: str, catalog: Callable[[Request], Catalog], *, plural: str) -> list[Route]:
    """Make the routes that all families have whose records can be archived.

    Args:
        path: The family's.
        catalog: Where its records are.
        plural: What a list has them under.
    """

    async def list_public(request: Request) -> Answer:
        return no_records(request, key=plural)

    async def retrieve(request: Request) -> Answer:
        return catalog(request).get(request.path_params["id"]).view

    async def archive(request: Request) -> Answer:
        return catalog(request).archive(request.path_params["id"], archived=True).view

    async def unarchive(request: Request) -> Answer:
        return catalog(request).archive(request.path_params["id"], archived=False).view

    return [
        route("GET", path + "/list_public", list_public),
        route("GET", path + "/{id}", retrieve),
        route("POST", path + "/{id}/archive", archive),
        route("POST", path + "/{id}/unarchive", unarchive),
    ]
