"""The way of a request through httpx, and through httpx2, which is the same in other words.

The transport classes are patched, not their objects: clients that exist already, and those that wrap a transport in one
of their own, come this way too. vcrpy patches the same place but reads every stream to its end before it gives
anything out, so ours is our own. Knows nothing of cassettes: whoever is asked decides what becomes of a request.
"""

from __future__ import annotations

import functools
import importlib
import time
from collections.abc import Awaitable, Callable, Mapping
from types import ModuleType
from typing import Any, NamedTuple, Protocol

from pytest_runloop.cassettes.exchange import Request, Response
from pytest_runloop.cassettes.places import Url
from pytest_runloop.cassettes.traffic import tls
from pytest_runloop.cassettes.traffic.patches import Patches
from pytest_runloop.cassettes.traffic.streams import AsyncTee, Played, Sink, Tee

LIBRARIES = ("httpx", "httpx2")


class Recording(Sink, Protocol):
    """A request that is on its way to the service, and is taken down."""

    def began(self, status: int, reason: str, headers: Mapping[str, str], decode: Callable[..., list[bytes]]) -> None:
        """Note the head of the answer.

        Args:
            status: The code.
            reason: The words beside it.
            headers: By name in lower case.
            decode: Makes of pieces as they came over the wire pieces as a client reads them.
        """

    def give_up(self) -> None:
        """Note that the client was cancelled while it waited."""


class GaveUp:
    """The recorded client never got an answer: it was cancelled. This one has to wait until it is, too."""


class Late(NamedTuple):
    """An answer that the recorded client had waited for in vain.

    If it came at once every time, nothing else would get a turn: no cancellation, and no time-out of the user's own.
    """

    answer: Response
    after_s: float


class Traffic(Protocol):
    """Decides what becomes of requests."""

    def place(self, url: Url) -> tuple[str, str] | None:
        """Return host and path under which a request is recorded; None: it concerns nobody here."""

    def meet(self, request: Request, headers: Mapping[str, str]) -> Response | Late | GaveUp | Recording | None:
        """Return what answers a request, or what takes its answer down; None: let it pass.

        Raises:
            BaseException: It is refused.
        """


class Transports:
    """The transport classes of every library that is installed."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic: Traffic | None = traffic
        self._patches = Patches()

    def install(self) -> None:
        for library in map(_library, LIBRARIES):
            if library is not None:
                self._install(library)

    def close(self) -> None:
        """Put everything back. What others still hold of ours lets everything pass from now on."""
        self._patches.close()
        self._traffic = None

    def _install(self, http: Any) -> None:  # noqa: ANN401 - httpx or httpx2
        way = _Way(http)
        sync, asynchronous = http.HTTPTransport, http.AsyncHTTPTransport
        self._patches.replace(sync, "handle_request", self._sync(way, sync.handle_request))
        self._patches.replace(asynchronous, "handle_async_request", self._async(way, asynchronous.handle_async_request))
        # A private place, so it may be gone one day; clients are only slower then.
        home = importlib.import_module(f"{http.__name__}._transports.default")
        if callable(make := getattr(home, "create_ssl_context", None)):
            self._patches.replace(home, "create_ssl_context", tls.shared(make))

    def _sync(self, way: _Way, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def handle_request(transport: object, request: Any) -> Any:  # noqa: ANN401 - of either library
            traffic = self._traffic
            place = None if traffic is None else traffic.place(request.url)
            if traffic is None or place is None:
                return real(transport, request)
            request.read()
            met = traffic.meet(way.request(request, place), request.headers)
            if met is None:
                return real(transport, request)
            if isinstance(met, Late):
                time.sleep(met.after_s)
                met = met.answer
            if isinstance(met, Response):
                return way.response(met, None)
            if isinstance(met, GaveUp):
                raise way.timed_out(request)
            return _noted(met, way, lambda: real(transport, request))

        return handle_request

    def _async(self, way: _Way, real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @functools.wraps(real)
        async def handle_async_request(transport: object, request: Any) -> Any:  # noqa: ANN401 - of either library
            traffic = self._traffic
            place = None if traffic is None else traffic.place(request.url)
            if traffic is None or place is None:
                return await real(transport, request)
            await request.aread()
            met = traffic.meet(way.request(request, place), request.headers)
            if met is None:
                return await real(transport, request)
            if isinstance(met, Late):
                met = await _in_turn(met)
            hold = functools.partial(way.hold, request)
            if isinstance(met, Response):
                return way.response(met, None if met.complete else hold)
            if isinstance(met, GaveUp):
                return await hold()
            return await _noted_async(met, way, real(transport, request))

        return handle_async_request


async def _in_turn(late: Late) -> Response:
    import anyio

    await anyio.sleep(late.after_s)
    return late.answer


class _Way:
    """What of one library is needed here."""

    def __init__(self, http: Any) -> None:  # noqa: ANN401 - httpx or httpx2
        self._http = http
        sync, asynchronous = http.SyncByteStream, http.AsyncByteStream
        self._played = type("Played", (Played, sync, asynchronous), {})
        self._tee = type("Tee", (Tee, sync), {})
        self._async_tee = type("AsyncTee", (AsyncTee, asynchronous), {})

    def request(self, request: Any, place: tuple[str, str]) -> Request:  # noqa: ANN401 - the library's
        host, path = place
        content_type = request.headers.get("content-type", "")
        return Request(
            method=request.method.upper(), host=host, path=path, content_type=content_type, body=request.content
        )

    def response(self, answer: Response, hold: Callable[[], Awaitable[None]] | None) -> Any:  # noqa: ANN401 - the library's
        extensions = {"http_version": b"HTTP/1.1"}
        if answer.reason:
            extensions["reason_phrase"] = answer.reason.encode("ascii", "replace")
        return self._http.Response(
            answer.status,
            headers=dict(answer.headers),
            stream=self._played(answer.chunks, hold),
            extensions=extensions,
        )

    def took(self, response: Any, recording: Recording) -> Any:  # noqa: ANN401 - the library's
        """Have an answer taken down while it is read."""
        headers = dict(response.headers)
        recording.began(response.status_code, response.reason_phrase, headers, self._decoder(headers))
        asynchronous = not hasattr(response.stream, "close")
        response.stream = (self._async_tee if asynchronous else self._tee)(response.stream, recording)
        return response

    def timed_out(self, request: Any) -> Exception:  # noqa: ANN401 - the library's
        message = "the recorded client gave up waiting for this answer, and a blocking one can't"
        timeout: Exception = self._http.ReadTimeout(message, request=request)
        return timeout

    async def hold(self, request: Any) -> None:  # noqa: ANN401 - the library's
        """Wait until the client is cancelled, or as long as it would have waited for the next piece."""
        import anyio

        seconds = request.extensions.get("timeout", {}).get("read")
        with anyio.move_on_after(seconds):
            await anyio.sleep_forever()
        raise self.timed_out(request)

    def _decoder(self, headers: Mapping[str, str]) -> Callable[..., list[bytes]]:
        if "content-encoding" not in headers:
            return list

        def decode(raw: list[bytes]) -> list[bytes]:
            # The library itself knows best which encodings it takes, and in which order.
            encoded = self._http.Response(200, headers=headers, stream=self._played(raw))
            return _as_far_as_it_goes(encoded.iter_bytes(), self._http.DecodingError)

        return decode


def _noted(recording: Recording, way: _Way, send: Callable[[], Any]) -> Any:  # noqa: ANN401 - the library's
    try:
        response = send()
    except Exception:
        recording.lose()
        raise
    except BaseException:
        recording.give_up()
        raise
    return way.took(response, recording)


async def _noted_async(recording: Recording, way: _Way, sent: Awaitable[Any]) -> Any:  # noqa: ANN401 - the library's
    try:
        response = await sent
    except Exception:
        recording.lose()
        raise
    except BaseException:
        recording.give_up()
        raise
    return way.took(response, recording)


def _as_far_as_it_goes(pieces: Any, broken: type[Exception]) -> list[bytes]:  # noqa: ANN401 - an iterator of bytes
    found: list[bytes] = []
    try:
        found.extend(pieces)
    except broken:
        # A client that left early has half of an encoded body; so have we.
        return found
    return found


def _library(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
