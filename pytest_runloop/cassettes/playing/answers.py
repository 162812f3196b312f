"""What goes to and fro between a recording and today: requests as they were, answers as they are. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from pytest_runloop.cassettes.exchange import Request, Response
from pytest_runloop.cassettes.playing.volatile import Pairs

_RETRIED = frozenset({408, 409, 429})
_SERVER_ERRORS = 500
_WAITING = frozenset({"retry-after", "retry-after-ms", "x-should-retry"})
_NO_RETRY: Mapping[str, str] = MappingProxyType({"x-should-retry": "false"})


def today(response: Response, pairs: Pairs) -> Response:
    """Return an answer with today's volatile values, which no client waits to get again."""
    chunks = tuple([pairs.today_bytes(chunk) for chunk in response.chunks])
    headers = _headers(response)
    if headers is response.headers and chunks == response.chunks:
        return response
    return replace(response, headers=headers, chunks=chunks)


def recorded(response: Response | None, pairs: Pairs) -> Response | None:
    """Return an answer of today with the volatile values of the recording."""
    if response is None:
        return None
    return replace(response, chunks=tuple(pairs.recorded_bytes(chunk) for chunk in response.chunks))


def asked(request: Request, pairs: Pairs) -> Request:
    """Return a request of today with the volatile values of the recording."""
    path, body = pairs.recorded(request.path), pairs.recorded_bytes(request.body)
    if path == request.path and body is request.body:
        return request
    return replace(request, path=path, body=body)


def _headers(response: Response) -> Mapping[str, str]:
    # Attempts that were repeated are not in a recording: an error that is, was the last. A client that tried again
    # would wait in vain.
    if response.status not in _RETRIED and response.status < _SERVER_ERRORS:
        return response.headers
    kept = {name: value for name, value in response.headers.items() if name not in _WAITING}
    return {**kept, **_NO_RETRY}
