"""Our requests and answers as vcrpy's objects, and back. The only spelling of hosts that vcrpy sees is a URL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pytest_runloop.cassettes.exchange import OPENAI, RUNLOOP, Request, Response
from pytest_runloop.cassettes.places import OPENAI_URL, RUNLOOP_URL

_SERVICES = {RUNLOOP: RUNLOOP_URL, OPENAI: OPENAI_URL}
_NAMES = {url: name for name, url in _SERVICES.items()}
_SANDBOX, _INVALID = ".sandbox", ".invalid"


def url_of(request: Request) -> str:
    """Return a URL for a request; a port of a sandbox has none that lasts, so it gets one that nobody can have."""
    if request.host.endswith(_SANDBOX):
        return f"http://{request.host}{_INVALID}{request.path}"
    return _SERVICES.get(request.host, f"https://{request.host}") + request.path


def place_of(url: str) -> tuple[str, str]:
    """Return host and path for a URL that ``url_of`` gave."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.netloc.removesuffix(_INVALID) if parts.netloc.endswith(_SANDBOX + _INVALID) else parts.netloc
    return _NAMES.get(f"{parts.scheme}://{parts.netloc}", host), path


def from_vcr(request: Any) -> Request:  # noqa: ANN401 - a vcr.request.Request
    host, path = place_of(request.uri)
    return Request(
        method=str(request.method).upper(),
        host=host,
        path=path,
        content_type=content_type_of(request),
        body=body_of(request),
    )


def content_type_of(request: Any) -> str:  # noqa: ANN401 - a vcr.request.Request
    found = request.headers.get("content-type", "")
    return str(found[0] if isinstance(found, list) else found)


def body_of(request: Any) -> bytes:  # noqa: ANN401 - a vcr.request.Request
    """Return the body as bytes, whatever kind of thing the client gave."""
    body = request.body
    if hasattr(body, "read"):
        body = body.read()
    if body is None or isinstance(body, (bytes, bytearray)):
        return bytes(body or b"")
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, (dict, list)):
        return json.dumps(body).encode()
    return b"".join(part.encode() if isinstance(part, str) else bytes(part) for part in body)


def response_to_vcr(response: Response) -> dict[str, Any]:
    return {
        "status": {"code": response.status, "message": response.reason},
        "headers": {name: [value] for name, value in response.headers.items()},
        "body": {"string": response.content},
    }


def response_from_vcr(answer: Mapping[str, Any], before: Response) -> Response:
    """Return what a hook made of an answer; its pieces stay as they were if the content does."""
    content = answer["body"].get("string") or b""
    content = content.encode() if isinstance(content, str) else bytes(content)
    whole = before.content
    return Response(
        status=int(answer["status"]["code"]),
        reason=str(answer["status"]["message"] or ""),
        headers={name.lower(): _first(value) for name, value in answer["headers"].items()},
        chunks=before.chunks if content == whole else (content,),
        complete=before.complete,
    )


def _first(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
