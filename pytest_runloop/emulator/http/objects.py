"""Routes of storage objects, and their contents behind signed addresses, which need no key."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, cast

from starlette.responses import FileResponse, Response

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.objects import CONTENT_TYPES, ObjectFilter, ObjectState, parse_object
from pytest_runloop.emulator.http.answers import (
    Answer,
    cursor,
    emulator,
    json_body,
    number,
    page_view,
    request_id,
    route,
)
from pytest_runloop.emulator.service.files import CHUNK
from pytest_runloop.emulator.service.objects import MAX_DOWNLOAD_S, UPLOAD_S
from pytest_runloop.emulator.service.paging import Page

if TYPE_CHECKING:
    from starlette.requests import Request

    from pytest_runloop.emulator.domain.objects import StoredObject

_STATES = tuple(state.value for state in ObjectState)
_DOWNLOAD_S = 3600


async def create(request: Request) -> Answer:
    """Begin an object, and say where its content goes."""
    wanted = parse_object(await json_body(request))
    made = await emulator(request).objects.create(wanted, request_id=request_id(request))
    return {**object_view(made), "upload_url": _address(request, "PUT", made.id, seconds=UPLOAD_S)}


async def retrieve(request: Request) -> Answer:
    """Show an object."""
    return object_view(emulator(request).objects.get(_id(request)))


async def list_(request: Request) -> Answer:
    """List objects."""
    return page_view(
        request, emulator(request).objects.page(_filter(request), cursor(request)), key="objects", view=object_view
    )


async def list_public(request: Request) -> Answer:
    """List public objects, of which the emulator has none."""
    _filter(request)
    cursor(request)
    nothing: Page[StoredObject] = Page(items=[], has_more=False, total_count=0)
    return page_view(request, nothing, key="objects", view=object_view)


async def complete(request: Request) -> Answer:
    """End an upload."""
    return object_view(emulator(request).objects.complete(_id(request)))


async def delete(request: Request) -> Answer:
    """Delete an object."""
    return object_view(emulator(request).objects.delete(_id(request)))


async def download(request: Request) -> Answer:
    """Say where an object's content is, for a while."""
    seconds = number(request, "duration_seconds", default=_DOWNLOAD_S, minimum=1, maximum=MAX_DOWNLOAD_S)
    emulator(request).objects.download(_id(request)).close()
    return {"download_url": _address(request, "GET", _id(request), seconds=seconds)}


async def put_content(request: Request) -> Answer:
    """Take an object's content in, piece by piece."""
    _check_address(request, "PUT")
    await emulator(request).objects.put(_id(request), request.stream())
    return Response()


async def get_content(request: Request) -> Answer:
    """Give an object's content out, piece by piece; only a range of it, if that is asked for."""
    _check_address(request, "GET")
    return _Content(emulator(request).objects.content(_id(request)), media_type="application/octet-stream")


class _Content(FileResponse):
    chunk_size = CHUNK


def object_view(one: StoredObject) -> dict[str, Any]:
    """Print an object."""
    return {
        "id": one.id,
        "name": one.name,
        "content_type": one.content_type,
        "state": one.state.value,
        "create_time_ms": one.create_time_ms,
        "size_bytes": one.size_bytes,
        "delete_after_time_ms": one.delete_after_time_ms,
        "metadata": one.metadata,
    }


def _id(request: Request) -> str:
    return cast("str", request.path_params["id"])


def _filter(request: Request) -> ObjectFilter:
    query = request.query_params
    content_type, state = query.get("content_type") or None, query.get("state") or None
    return ObjectFilter(
        name=query.get("name") or None,
        content_type=content_type and str(checks.choice(CONTENT_TYPES)("content_type", content_type)),
        state=state and str(checks.choice(_STATES)("state", state)),
        search=query.get("search") or None,
    )


def _address(request: Request, method: str, object_id: str, *, seconds: int) -> str:
    expires = math.ceil(time.time() + seconds)
    signature = emulator(request).objects.signature(method, object_id, expires_s=expires)
    url = request.url.replace(path=f"/_emulator/objects/{object_id}", fragment="")
    return str(url.replace(query=f"expires={expires}&signature={signature}"))


def _check_address(request: Request, method: str) -> None:
    query = request.query_params
    emulator(request).objects.check_signature(
        method, _id(request), expires=query.get("expires", ""), signature=query.get("signature", "")
    )


_ONE = "/v1/objects/{id}"
_CONTENT = "/_emulator/objects/{id}"
ROUTES = [
    route("POST", "/v1/objects", create),
    route("GET", "/v1/objects", list_),
    route("GET", "/v1/objects/list_public", list_public),
    route("GET", _ONE, retrieve),
    route("POST", _ONE + "/complete", complete),
    route("POST", _ONE + "/delete", delete),
    route("GET", _ONE + "/download", download),
    route("PUT", _CONTENT, put_content),
    route("GET", _CONTENT, get_content),
]
