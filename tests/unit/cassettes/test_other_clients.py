"""Ports of sandboxes, asked with clients that are not httpx."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import importlib
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import vcr

from pytest_runloop.cassettes.files import document
from pytest_runloop.cassettes.playing.meaning import Rules
from pytest_runloop.cassettes.playing.replay import Unrecorded
from pytest_runloop.cassettes.secrets.scrubbing import Scrubber
from pytest_runloop.cassettes.traffic.jobs import Job, Mode
from pytest_runloop.cassettes.traffic.studio import Studio
from tests.unit.cassettes.traffic import plain, serving

NOWHERE = "http://127.0.0.1:9"
DEAD = "http://127.0.0.1:10"
Fetch = Callable[[str], bytes]


def by_urllib(url: str) -> bytes:
    with urllib.request.urlopen(url, data=b"x=1", timeout=5) as response:
        body: bytes = response.read()
        return body


def by_http_client(url: str) -> bytes:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request("POST", parts.path or "/", b"x=1")
        return connection.getresponse().read()
    finally:
        connection.close()


def by_requests(url: str) -> bytes:
    requests = importlib.import_module("requests")
    content: bytes = requests.post(url, data=b"x=1", timeout=5).content
    return content


def by_aiohttp(url: str) -> bytes:
    aiohttp = importlib.import_module("aiohttp")

    async def go() -> bytes:
        async with aiohttp.ClientSession() as session, session.post(url, data=b"x=1") as response:
            content: bytes = await response.read()
            return content

    return asyncio.run(go())


def by_httpx(url: str) -> bytes:
    return httpx.post(url, content=b"x=1").content


ALL = {"urllib": by_urllib, "http": by_http_client, "requests": by_requests, "aiohttp": by_aiohttp, "httpx": by_httpx}


@pytest.fixture(params=ALL)
def fetch(request: pytest.FixtureRequest) -> Fetch:
    pytest.importorskip(request.param)
    return ALL[request.param]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Callable[..., tuple[Studio, Job]]]:
    opened: list[Studio] = []

    def begin(mode: Mode) -> tuple[Studio, Job]:
        studio = Studio(base_url=NOWHERE, replay=mode is Mode.REPLAY, scrubber=Scrubber({}), rules=Rules(()))
        opened.append(studio)
        studio.install()
        job = Job(path=tmp_path / "cassettes" / "a.json", what="test", name="t.py::a", mode=mode, command="record a")
        studio.start(job)
        return studio, job

    yield begin
    for studio in reversed(opened):
        studio.close()


def test_a_port_is_recorded_and_replayed(fetch: Fetch, session: Callable[..., tuple[Studio, Job]]) -> None:
    with serving(plain(b"hello", Content_Type="text/plain", X_Mine="yes", Set_Cookie="a=b")) as url:
        studio, job = session(Mode.RECORD)
        studio.expose(url, "dbx_1", 8000)
        assert fetch(f"{url}/page") == b"hello"
        assert studio.finish(job, keep=True) == []
        studio.close()

    [exchange] = document.read(job.path).exchanges
    assert (exchange.request.host, exchange.request.path) == ("8000.dbx_1.sandbox", "/page")
    assert exchange.request.body == b"x=1"
    assert exchange.response is not None
    assert exchange.response.headers["x-mine"] == "yes"
    assert "set-cookie" not in exchange.response.headers

    studio, job = session(Mode.REPLAY)
    studio.expose(DEAD, "dbx_1", 8000)
    assert fetch(f"{DEAD}/page") == b"hello"
    assert (job.misses, studio.finish(job, keep=True)) == ([], [])


def test_what_one_client_recorded_another_may_replay(session: Callable[..., tuple[Studio, Job]]) -> None:
    body = b"text " * 100
    with serving(plain(gzip.compress(body), Content_Encoding="gzip", Content_Type="text/plain")) as url:
        studio, job = session(Mode.RECORD)
        studio.expose(url, "dbx_1", 8000)
        request = urllib.request.Request(url, data=b"x=1", headers={"Content-Type": ""})
        with urllib.request.urlopen(request, timeout=5) as response:
            assert gzip.decompress(response.read()) == body
        studio.finish(job, keep=True)
        studio.close()

    studio, job = session(Mode.REPLAY)
    studio.expose(DEAD, "dbx_1", 8000)
    assert httpx.post(DEAD, content=b"x=1").content == body


def test_what_is_not_recorded_is_refused(fetch: Fetch, session: Callable[..., tuple[Studio, Job]]) -> None:
    with serving(plain(b"hello")) as url:
        studio, job = session(Mode.RECORD)
        studio.expose(url, "dbx_1", 8000)
        fetch(f"{url}/page")
        studio.finish(job, keep=True)
        studio.close()

    studio, job = session(Mode.REPLAY)
    studio.expose(DEAD, "dbx_1", 8000)
    with pytest.raises(Unrecorded):
        fetch(f"{DEAD}/other")
    assert len(job.misses) == 1


def test_other_hosts_are_reached_as_ever(fetch: Fetch, session: Callable[..., tuple[Studio, Job]]) -> None:
    with serving(plain(b"elsewhere")) as url:
        for mode in (Mode.RECORD, Mode.REPLAY):
            studio, job = session(mode)
            studio.expose(DEAD, "dbx_1", 8000)
            assert fetch(url) == b"elsewhere"
            assert not job.touched
            assert studio.finish(job, keep=True) == []
            studio.close()


def test_everything_is_put_back(session: Callable[..., tuple[Studio, Job]]) -> None:
    before = (http.client.HTTPConnection, httpx.HTTPTransport.handle_request)
    studio, _ = session(Mode.REPLAY)
    assert http.client.HTTPConnection is before[0]
    studio.expose(DEAD, "dbx_1", 8000)
    assert http.client.HTTPConnection is not before[0]
    studio.close()
    now: tuple[Any, Any] = (http.client.HTTPConnection, httpx.HTTPTransport.handle_request)
    assert now == before


def test_vcrpy_never_opens_a_hole_in_httpx(session: Callable[..., tuple[Studio, Job]]) -> None:
    waiting, go_on = threading.Event(), threading.Event()

    def respond(handler: BaseHTTPRequestHandler) -> None:
        waiting.set()
        go_on.wait(5)
        plain(b"slow")(handler)

    with serving(respond) as url:
        studio, job = session(Mode.REPLAY)
        studio.expose(DEAD, "dbx_1", 8000)
        from vcr.patch import force_reset

        # What vcrpy does for all threads while one of them sends a request.
        with force_reset(), pytest.raises(Unrecorded):
            httpx.get(f"{NOWHERE}/v1/devboxes")
        assert not waiting.is_set()
        go_on.set()
        assert by_urllib(url) == b"slow"
    assert len(job.misses) == 1


def test_vcrpys_own_cassette_may_come_and_go(
    session: Callable[..., tuple[Studio, Job]], tmp_path: Path, patches: pytest.MonkeyPatch
) -> None:
    for library in filter(None, map(sys.modules.get, ("httpx", "httpx2"))):
        for transport, method in (("HTTPTransport", "handle_request"), ("AsyncHTTPTransport", "handle_async_request")):
            owner = getattr(library, transport)
            # To be put back by somebody who knows what was there first; vcrpy can't.
            patches.setattr(owner, method, getattr(owner, method))
    with serving(plain(b"hello")) as url:
        studio, job = session(Mode.RECORD)
        with vcr.use_cassette(str(tmp_path / "theirs.yaml")):
            assert httpx.get(url).content == b"hello"
        outlasting = vcr.use_cassette(str(tmp_path / "outlasting.yaml"))
        with outlasting:
            studio.close()
            assert httpx.get(url).content == b"hello"
        # vcrpy has put back what it found, which is ours and lets everything pass.
        assert httpx.get(url).content == b"hello"
    assert not job.touched
