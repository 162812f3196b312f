"""Which requests only look, which change what others see, and when a look waits for something. Pure."""

from __future__ import annotations

import json
import re

from pytest_runloop.cassettes.exchange import RUNLOOP, Request, Response

_DEVBOX = re.compile(r"/v1/devboxes/(?!disk_snapshots\b|create_and_await_running\b)([^/?]+)(/[^?]*)?")
_COLLECTION = re.compile(r"/v1/(?:devboxes/)?(disk_snapshots|[^/?]+)")
_SNAPSHOTS = "disk_snapshots"

_PASSIVE = re.compile(
    r"/(?:execute\w*|upload_file|download_file|read_file_contents|write_file_contents|keep_alive|wait_for_status"
    r"|executions/[^/]+/(?!kill)\w+)"
)
"""What is done with a devbox that changes nothing a look at it would see."""

_STREAM = re.compile(r"/stream_\w+(?:\?|$)")
_WAIT = "/wait_for_status"
_OK = 200


def looks(request: Request) -> bool:
    """Return whether a request only looks, so that it may be sent more or less often than it was recorded."""
    if request.host != RUNLOOP:
        return False
    if request.method == "GET":
        return _STREAM.search(request.path) is None
    return request.path.endswith(_WAIT)


def looked_at(request: Request) -> str:
    """Return the devbox a request is about, or else the collection."""
    devbox = _DEVBOX.match(request.path)
    if devbox is not None:
        return devbox[1]
    collection = _COLLECTION.match(request.path)
    return collection[1] if collection is not None else ""


def changed(request: Request) -> tuple[str, ...]:
    """Return what looks different after a request: devboxes and collections."""
    if request.host != RUNLOOP or request.method == "GET":
        return ()
    devbox = _DEVBOX.match(request.path)
    if devbox is None:
        return (looked_at(request),)
    if _PASSIVE.fullmatch(devbox[2] or ""):
        return ()
    return (devbox[1], "devboxes", _SNAPSHOTS) if "/snapshot_disk" in request.path else (devbox[1], "devboxes")


def waited_s(request: Request, response: Response) -> float:
    """Return the seconds that a poll had waited in vain when it was answered; 0 for what had no need to wait."""
    if request.host != RUNLOOP or not request.path.endswith(_WAIT):
        return 0.0
    asked = fields(request.body)
    seconds, statuses = asked.get("timeout_seconds"), asked.get("statuses")
    reached = fields(response.content).get("status")
    has_ended = response.status == _OK and isinstance(statuses, list) and reached in statuses
    if has_ended or not isinstance(seconds, (int, float)):
        return 0.0
    return max(0.0, float(seconds))


def fields(data: bytes) -> dict[str, object]:
    """Return the fields of a JSON object; of anything else none."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
