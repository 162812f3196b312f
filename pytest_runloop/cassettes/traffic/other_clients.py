"""Clients other than httpx, for ports of sandboxes: ``urllib``, ``requests``, ``aiohttp`` and what is built on them.

vcrpy knows how to get in their way; a cassette that is none hands over to the studio. It reads every answer to its end
before its client gets it, those of other hosts too, so none of this is in place before a test asks for a sandbox's URL.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
import zlib
from collections.abc import Iterable, Mapping
from types import NoneType
from typing import Any

import vcr.patch
from vcr.cassette import Cassette
from vcr.patch import CassettePatcherBuilder
from vcr.record_mode import RecordMode

from pytest_runloop.cassettes.exchange import Request, Response
from pytest_runloop.cassettes.files.foreign import body_of, content_type_of, response_to_vcr
from pytest_runloop.cassettes.places import address
from pytest_runloop.cassettes.traffic.patches import Patches
from pytest_runloop.cassettes.traffic.transports import GaveUp, Late, Recording, Traffic

_GROUPS = ("httplib", "requests", "urllib3", "httplib2", "tornado", "aiohttp")
"""What vcrpy calls its patches, but for those of httpx: they are our own."""

_RESET_TO = (
    ("httpx", "HTTPTransport", "handle_request", "_HttpxHttpTransport_handle_request"),
    ("httpx", "AsyncHTTPTransport", "handle_async_request", "_HttpxAsyncHttpTransport_handle_async_request"),
    ("httpx2", "HTTPTransport", "handle_request", "_Httpx2HttpTransport_handle_request"),
    ("httpx2", "AsyncHTTPTransport", "handle_async_request", "_Httpx2AsyncHttpTransport_handle_async_request"),
)
"""What vcrpy takes for the original methods of httpx, and puts back for all threads while it sends a request."""

_MET = "_runloop_met"


class OtherClients:
    """vcrpy's patches, in front of a studio."""

    def __init__(self, traffic: Traffic) -> None:
        self._handover = Handover(traffic)
        self._entered = contextlib.ExitStack()
        self._patches = Patches()

    def install(self) -> None:
        for library, owner, method, name in _RESET_TO:
            if library in sys.modules and hasattr(vcr.patch, name):
                ours = vars(getattr(sys.modules[library], owner))[method]
                self._patches.replace(vcr.patch, name, ours)
        builder = CassettePatcherBuilder(self._handover)
        # Private, and the only way to have some of them in vcrpy 8. All are made before the first is entered, as vcrpy
        # does it: making one imports what the next would have changed.
        groups: list[Iterable[contextlib.AbstractContextManager[object]]] = [
            getattr(builder, f"_{group}", tuple)() for group in _GROUPS
        ]
        for patcher in itertools.chain.from_iterable(groups):
            self._entered.enter_context(patcher)

    def close(self) -> None:
        """Take vcrpy's patches away."""
        self._handover.traffic = None
        self._entered.close()
        self._patches.close()


class Handover(Cassette):  # type: ignore[misc] # vcrpy has no types
    """A cassette in name only: it hands over what a client asks for.

    A request is met once, however often vcrpy asks about it.
    """

    def __init__(self, traffic: Traffic) -> None:
        super().__init__("pytest-runloop", record_mode=RecordMode.ALL)
        self.traffic: Traffic | None = traffic

    @property
    def write_protected(self) -> bool:
        return False

    def can_play_response_for(self, request: Any) -> bool:  # noqa: ANN401 - a vcr.request.Request
        return isinstance(self._met(request), (Response, GaveUp))

    def play_response(self, request: Any) -> dict[str, Any]:  # noqa: ANN401 - a vcr.request.Request
        met = self._met(request)
        if isinstance(met, Response):
            # Most of these clients take an answer without a length for one that has no end.
            headers = {**met.headers, "content-length": str(len(met.content))}
            return response_to_vcr(Response(status=met.status, reason=met.reason, headers=headers, chunks=met.chunks))
        message = f"{request.uri}: the recorded client gave up waiting for this answer, or never asked for it"
        raise TimeoutError(message)

    def filter_request(self, request: Any) -> Any:  # noqa: ANN401 - a vcr.request.Request
        """Return None for what concerns nobody here, so that vcrpy leaves its answer alone where it can."""
        return None if isinstance(self._met(request), (Response, GaveUp, NoneType)) else request

    def append(self, request: Any, response: Mapping[str, Any]) -> None:  # noqa: ANN401 - a vcr.request.Request
        met = self._met(request)
        if isinstance(met, (Response, GaveUp, NoneType)):
            return
        headers = {name.lower(): _joined(value) for name, value in response["headers"].items()}
        met.began(response["status"]["code"], response["status"]["message"] or "", headers, list)
        met.chunk(_decoded(bytes(response["body"].get("string") or b""), headers.get("content-encoding", "")))
        met.end(complete=True)

    def find_requests_with_most_matches(self, request: Any) -> list[Any]:  # noqa: ANN401, ARG002 - vcrpy's signature
        return []

    def _met(self, request: Any) -> Response | GaveUp | Recording | None:  # noqa: ANN401 - a vcr.request.Request
        # vcrpy asks first when it would connect, with the body still to come.
        body = body_of(request)
        before = getattr(request, _MET, None)
        if before is not None and before[0] == (request.uri, body):
            met: Response | GaveUp | Recording | None = before[1]
            return met
        met = self._meet(request, body)
        setattr(request, _MET, ((request.uri, body), met))
        return met

    def _meet(self, request: Any, body: bytes) -> Response | GaveUp | Recording | None:  # noqa: ANN401 - as above
        place = None if self.traffic is None else self.traffic.place(address(request.uri))
        if self.traffic is None or place is None:
            return None
        host, path = place
        asked = Request(
            method=str(request.method).upper(),
            host=host,
            path=path,
            content_type=content_type_of(request),
            body=body,
        )
        met = self.traffic.meet(asked, {})
        return met.answer if isinstance(met, Late) else met


def _decoded(body: bytes, encoding: str) -> bytes:
    # Some of these clients have decoded it already; their headers say the same all the while.
    with contextlib.suppress(zlib.error):
        if encoding == "gzip":
            return zlib.decompress(body, wbits=zlib.MAX_WBITS | 16)
        if encoding == "deflate":
            return zlib.decompress(body)
    return body


def _joined(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
