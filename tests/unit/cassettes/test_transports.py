"""Requests of httpx and httpx2 on their way: passed, answered, taken down, refused."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import importlib
import threading
import zlib
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx
import pytest

from pytest_runloop.cassettes.exchange import RUNLOOP, Response
from pytest_runloop.cassettes.traffic.transports import GaveUp, Late, Transports
from tests.unit.cassettes.traffic import Traffic, begin_events, chunk, patched, plain, serving

REAL = (httpx.HTTPTransport.handle_request, httpx.AsyncHTTPTransport.handle_async_request)
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(params=["httpx", "httpx2"])
def http(request: pytest.FixtureRequest) -> Any:  # noqa: ANN401 - either library
    return pytest.importorskip(request.param)


class Refused(BaseException):
    """As a cassette refuses."""


def fetch(http: Any, url: str, *, how: str, **more: object) -> Any:  # noqa: ANN401 - the library's
    if how == "sync":
        with http.Client(timeout=5) as client:
            return client.post(url, **more)

    async def go() -> Any:  # noqa: ANN401 - the library's
        async with http.AsyncClient(timeout=5) as client:
            return await client.post(url, **more)

    return asyncio.run(go())


HOW = pytest.mark.parametrize("how", ["sync", "async"])


@HOW
def test_what_is_answered_never_leaves(http: Any, how: str) -> None:  # noqa: ANN401 - either library
    traffic = Traffic(NOWHERE)
    traffic.answers["/v1/devboxes?limit=1"] = Response(
        status=201, reason="Made", headers={"content-type": "application/json"}, chunks=(b'{"id"', b":1}")
    )
    with patched(traffic):
        response = fetch(http, f"{NOWHERE}/v1/devboxes?limit=1", how=how, json={"name": "x"})

    assert (response.status_code, response.reason_phrase, response.json()) == (201, "Made", {"id": 1})
    [asked] = traffic.asked
    assert (asked.method, asked.host, asked.path) == ("POST", RUNLOOP, "/v1/devboxes?limit=1")
    assert (asked.content_type, asked.body) == ("application/json", b'{"name":"x"}')


@HOW
def test_what_concerns_nobody_is_not_even_read(http: Any, how: str) -> None:  # noqa: ANN401 - either library
    traffic = Traffic("http://127.0.0.1:1")
    with serving(plain(b"hello")) as url, patched(traffic):
        assert fetch(http, url, how=how, content=b"x").content == b"hello"

    assert traffic.asked == []


@HOW
def test_an_upload_is_read_once_and_sent_whole(http: Any, how: str) -> None:  # noqa: ANN401 - either library
    seen: list[bytes] = []

    def respond(handler: BaseHTTPRequestHandler) -> None:
        seen.append(handler.rfile.read(int(handler.headers["Content-Length"])))
        del handler.headers["Content-Length"]
        plain(b"ok")(handler)

    with serving(respond) as url:
        traffic = Traffic(url)
        with patched(traffic):
            response = fetch(http, f"{url}/up", how=how, files={"file": ("a.bin", bytes(range(256)) * 400)})

    assert response.content == b"ok"
    assert seen == [traffic.asked[0].body]
    assert traffic.asked[0].content_type.startswith("multipart/form-data; boundary=")


@HOW
def test_an_answer_is_taken_down_as_the_client_reads_it(http: Any, how: str) -> None:  # noqa: ANN401 - either library
    body = b'{"a": 1}' * 100
    answer = plain(gzip.compress(body), Content_Encoding="gzip", Content_Type="application/json", Set_Cookie="k=v")
    with serving(answer) as url:
        traffic = Traffic(url)
        with patched(traffic):
            assert fetch(http, url, how=how).content == body

    [(number, response)] = traffic.ended
    assert number == 1
    assert response is not None
    assert response.chunks == (body,)
    assert (response.status, response.complete) == (200, True)
    assert dict(response.headers) == {"content-type": "application/json"}
    assert traffic.open == set()


def test_events_come_one_by_one_while_they_are_taken_down(http: Any) -> None:  # noqa: ANN401 - either library
    may_go_on = threading.Event()

    def respond(handler: BaseHTTPRequestHandler) -> None:
        begin_events(handler)
        chunk(handler, b"data: question\n\n")
        # A recorder that reads to the end first would wait for ever.
        assert may_go_on.wait(5)
        chunk(handler, b"data: answer\n\n")
        chunk(handler, b"")

    with serving(respond) as url:
        traffic = Traffic(url)

        async def talk() -> list[bytes]:
            got = []
            async with http.AsyncClient() as client, client.stream("GET", url) as response:
                async for part in response.aiter_raw():
                    got.append(part)
                    may_go_on.set()
            return got

        with patched(traffic):
            got = asyncio.run(talk())

    assert got == [b"data: question\n\n", b"data: answer\n\n"]
    [(_, response)] = traffic.ended
    assert response is not None
    assert (list(response.chunks), response.complete) == (got, True)


def test_a_compressed_stream_left_early_is_kept_as_far_as_it_was_read(http: Any) -> None:  # noqa: ANN401 - either library
    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        for name, value in (
            ("Content-Type", "text/event-stream"),
            ("Content-Encoding", "gzip"),
            ("Transfer-Encoding", "chunked"),
        ):
            handler.send_header(name, value)
        handler.end_headers()
        packer = zlib.compressobj(wbits=31)
        chunk(handler, packer.compress(b"data: 1\n\n") + packer.flush(zlib.Z_SYNC_FLUSH))
        chunk(handler, packer.compress(b"data: 2\n\n") + packer.flush(zlib.Z_SYNC_FLUSH))

    with serving(respond) as url:
        traffic = Traffic(url)
        with patched(traffic), http.Client() as client, client.stream("GET", url) as response:
            assert next(response.iter_bytes()) == b"data: 1\n\n"

    [(_, noted)] = traffic.ended
    assert noted is not None
    assert (noted.chunks, noted.complete) == ((b"data: 1\n\n",), False)


def test_a_broken_connection_leaves_nothing(http: Any) -> None:  # noqa: ANN401 - either library
    def respond(handler: BaseHTTPRequestHandler) -> None:
        begin_events(handler)
        chunk(handler, b"data: 1\n\n")
        handler.close_connection = True
        handler.wfile.close()

    with serving(respond) as url:
        traffic = Traffic(url)
        with patched(traffic), pytest.raises(http.RemoteProtocolError):
            fetch(http, url, how="sync")
    with patched(traffic), pytest.raises(http.ConnectError):
        fetch(http, url, how="async")

    assert len(traffic.asked) == 2
    assert traffic.ended == []
    assert traffic.open == set()


def test_a_cancelled_request_is_taken_down_as_given_up(http: Any) -> None:  # noqa: ANN401 - either library
    release = threading.Event()

    def respond(handler: BaseHTTPRequestHandler) -> None:
        release.wait(5)

    with serving(respond) as url:
        traffic = Traffic(url)

        async def give_up() -> None:
            async with http.AsyncClient() as client:
                await asyncio.wait_for(client.get(url), 0.1)

        with patched(traffic), pytest.raises(asyncio.TimeoutError):
            asyncio.run(give_up())
        release.set()

    assert traffic.ended == [(1, None)]


def test_what_was_given_up_is_waited_for_until_the_client_gives_up(http: Any) -> None:  # noqa: ANN401 - either library
    traffic = Traffic(NOWHERE)
    traffic.answers["/"] = GaveUp()

    async def go(seconds: float) -> None:
        async with http.AsyncClient(timeout=0.2) as client:
            await asyncio.wait_for(client.get(NOWHERE), seconds)

    with patched(traffic):
        with pytest.raises(asyncio.TimeoutError):
            asyncio.run(go(0.05))
        with pytest.raises(http.ReadTimeout):
            asyncio.run(go(5))
        with pytest.raises(http.ReadTimeout):
            fetch(http, NOWHERE, how="sync")


def test_a_client_that_polls_in_vain_can_be_cancelled(http: Any) -> None:  # noqa: ANN401 - either library
    traffic = Traffic(NOWHERE)
    traffic.answers["/"] = Late(Response(status=408), 0.0)

    async def go() -> None:
        async with http.AsyncClient() as client:
            while (await client.get(NOWHERE)).status_code == 408:
                assert len(traffic.asked) < 100_000

    with patched(traffic):
        with pytest.raises(asyncio.TimeoutError):
            asyncio.run(asyncio.wait_for(go(), 0.05))
        assert fetch(http, NOWHERE, how="sync").status_code == 408


def test_a_stream_that_was_left_is_held_where_it_was_left(http: Any) -> None:  # noqa: ANN401 - either library
    traffic = Traffic(NOWHERE)
    traffic.answers["/"] = Response(status=200, chunks=(b"1", b"2"), complete=False)

    async def read() -> list[bytes]:
        got: list[bytes] = []
        async with http.AsyncClient(timeout=0.1) as client, client.stream("GET", NOWHERE) as response:
            with contextlib.suppress(http.ReadTimeout):
                async for part in response.aiter_raw():
                    got.append(part)  # noqa: PERF401 - the error must leave what came
                pytest.fail("it came to an end")
        return got

    with patched(traffic):
        assert asyncio.run(read()) == [b"1", b"2"]


@HOW
def test_a_refusal_comes_through(http: Any, how: str) -> None:  # noqa: ANN401 - either library
    traffic = Traffic(NOWHERE)
    traffic.refused["/"] = Refused()
    with patched(traffic), pytest.raises(Refused):
        fetch(http, NOWHERE, how=how)


def test_large_content_is_handed_out_as_it_is(http: Any) -> None:  # noqa: ANN401 - either library
    content = bytes(50_000_000)
    traffic = Traffic(NOWHERE)
    traffic.answers["/"] = Response(status=200, chunks=(content,))

    with patched(traffic):
        assert fetch(http, NOWHERE, how="sync").content is content


def test_everything_is_put_back() -> None:
    home = importlib.import_module("httpx._transports.default")
    contexts = home.create_ssl_context
    with patched(Traffic(NOWHERE)):
        assert REAL[0] is not httpx.HTTPTransport.handle_request
    now = (httpx.HTTPTransport.handle_request, httpx.AsyncHTTPTransport.handle_async_request)
    assert now == REAL
    assert home.create_ssl_context is contexts


def test_what_was_put_over_ours_stays_and_ours_lets_pass_later(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(httpx.HTTPTransport, "handle_request", REAL[0])
    traffic = Traffic(NOWHERE)
    transports = Transports(traffic)
    transports.install()
    ours = httpx.HTTPTransport.handle_request

    def theirs(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        return ours(self, request)

    patches.setattr(httpx.HTTPTransport, "handle_request", theirs)
    transports.close()
    assert httpx.HTTPTransport.handle_request is theirs
    with serving(plain(b"real")) as url:
        traffic.places.expose(url, "dbx_1", 80)
        assert httpx.post(url).content == b"real"
    assert traffic.asked == []
