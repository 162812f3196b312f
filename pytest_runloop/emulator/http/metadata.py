"""Routes that tell which metadata there is to filter by, and of public disk snapshots, of which there are none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.objects import ObjectFilter
from pytest_runloop.emulator.domain.problems import bad_request
from pytest_runloop.emulator.http.answers import Answer, cursor, emulator, page_view, route
from pytest_runloop.emulator.http.snapshots import snapshot_filter
from pytest_runloop.emulator.http.views import snapshot_view
from pytest_runloop.emulator.service.paging import Cursor, Page
from pytest_runloop.emulator.service.snapshots import SnapshotFilter

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

    from pytest_runloop.emulator.domain.records import Snapshot
    from pytest_runloop.emulator.service.emulator import Emulator

Metadata = Mapping[str, str]
_ALL = Cursor(limit=1_000_000)
_MAX_KEY = 1024


async def list_public_snapshots(request: Request) -> Answer:
    """List public disk snapshots, of which the emulator has none."""
    snapshot_filter(request)
    cursor(request)
    nothing: Page[Snapshot] = Page(items=[], has_more=False, total_count=0)
    return page_view(request, nothing, key="snapshots", view=snapshot_view)


def _of_devboxes(emulator: Emulator) -> Iterable[Metadata]:
    return (one.metadata for one in emulator.devboxes.page(_ALL, status=None, name=None).items)


def _of_snapshots(emulator: Emulator) -> Iterable[Metadata]:
    return (one.metadata for one in emulator.snapshots.page(SnapshotFilter(metadata={}), _ALL).items)


def _of_blueprints(emulator: Emulator) -> Iterable[Metadata]:
    blueprints = emulator.blueprints.page(_ALL, name=None, status=None).items
    return (cast("Metadata", one.parameters.get("metadata", {})) for one in blueprints)


def _of_objects(emulator: Emulator) -> Iterable[Metadata]:
    return (one.metadata for one in emulator.objects.page(ObjectFilter(), _ALL).items)


def _of_scenarios(emulator: Emulator) -> Iterable[Metadata]:
    return (one.fields["metadata"] for one in emulator.scenarios.catalog.all())


def _of_benchmarks(emulator: Emulator) -> Iterable[Metadata]:
    return (one.fields["metadata"] for one in emulator.benchmarks.catalog.all())


def _of_nothing(_: Emulator) -> Iterable[Metadata]:
    return ()


def _routes(prefix: str, found: Callable[[Emulator], Iterable[Metadata]]) -> list[Route]:
    async def keys(request: Request) -> dict[str, Any]:
        return {"keys": sorted({key for metadata in found(emulator(request)) for key in metadata})}

    async def values(request: Request) -> dict[str, Any]:
        key = str(checks.text("key", request.path_params["key"]))
        if not 0 < len(key) <= _MAX_KEY:
            raise bad_request(f"key: {len(key)} characters; a metadata key has 1 to {_MAX_KEY}.")
        there = {metadata[key] for metadata in found(emulator(request)) if key in metadata}
        return {"key": key, "values": sorted(there)}

    return [
        route("GET", f"{prefix}/metadata/keys", keys),
        route("GET", f"{prefix}/metadata/keys/{{key:path}}/values", values),
    ]


ROUTES = [
    route("GET", "/v1/devboxes/disk_snapshots/list_public", list_public_snapshots),
    *_routes("/v1/devboxes", _of_devboxes),
    *_routes("/v1/devboxes/disk_snapshots", _of_snapshots),
    *_routes("/v1/devboxes/disk_snapshots/public", _of_nothing),
    *_routes("/v1/blueprints", _of_blueprints),
    *_routes("/v1/blueprints/public", _of_nothing),
    *_routes("/v1/objects", _of_objects),
    *_routes("/v1/scenarios", _of_scenarios),
    *_routes("/v1/benchmarks", _of_benchmarks),
]
