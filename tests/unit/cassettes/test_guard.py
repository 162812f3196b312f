"""What reaches a host past the clients whose traffic is played, and what is let through."""

from __future__ import annotations

import asyncio
import http.client
import importlib
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_runloop.cassettes.playing.meaning import Rules
from pytest_runloop.cassettes.playing.replay import Unrecorded
from pytest_runloop.cassettes.secrets.scrubbing import Scrubber
from pytest_runloop.cassettes.traffic.guard import Guard
from pytest_runloop.cassettes.traffic.jobs import Job, Mode
from pytest_runloop.cassettes.traffic.studio import Studio
from tests.unit.cassettes.traffic import plain, serving

RECORDED = "recorded.invalid"
OTHER = "other.invalid"
PROXY = "http://127.0.0.1:9"


class Stopped(BaseException):
    """What a host raises that may not be reached."""


@pytest.fixture
def guarded() -> Iterator[list[str]]:
    """The hosts that were asked about; one is refused."""
    asked = []

    def check(host: str) -> None:
        asked.append(host)
        if host == RECORDED:
            raise Stopped

    guard = Guard(check)
    guard.install()
    yield asked
    guard.close()


def _opened(host: str) -> Any:  # noqa: ANN401 - whatever a client gives
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"https://{host}/", timeout=5)


def _proxied(host: str) -> Any:  # noqa: ANN401 - whatever a client gives
    return urllib.request.build_opener(urllib.request.ProxyHandler({"https": PROXY})).open(f"https://{host}/")


def _fetched(library: str, host: str) -> Any:  # noqa: ANN401 - whatever a client gives
    client = pytest.importorskip(library)
    session = client.Session()
    session.trust_env = False
    return session.get(f"https://{host}/", timeout=5)


async def _aiohttp(host: str) -> None:
    aiohttp = pytest.importorskip("aiohttp")
    resolver = importlib.import_module("aiohttp.resolver").ThreadedResolver()
    connector = aiohttp.TCPConnector(resolver=resolver)
    async with aiohttp.ClientSession(connector=connector) as session, session.get(f"https://{host}/"):
        pass


async def _websocket(host: str) -> None:
    client = pytest.importorskip("websockets.asyncio.client")
    async with client.connect(f"wss://{host}/", proxy=None):
        pass


def _socket(how: str) -> Callable[[str], object]:
    def connect(host: str) -> object:
        with socket.socket() as connection:
            return getattr(connection, how)((host, 443))

    return connect


WAYS: dict[str, Callable[[str], object]] = {
    "urllib": _opened,
    "urllib-by-proxy": _proxied,
    "http.client": lambda host: http.client.HTTPSConnection(host, timeout=5).request("GET", "/"),
    "requests": lambda host: _fetched("requests", host),
    "aiohttp": lambda host: asyncio.run(_aiohttp(host)),
    "asyncio": lambda host: asyncio.run(asyncio.open_connection(host, 443)),
    "websockets": lambda host: asyncio.run(_websocket(host)),
    "create_connection": lambda host: socket.create_connection((host, 443), timeout=5),
    "connect": _socket("connect"),
    "connect_ex": _socket("connect_ex"),
    "gethostbyname": lambda host: socket.gethostbyname(host),  # noqa: PLW0108 - looked up when it is called
    "getaddrinfo-by-keyword": lambda host: socket.getaddrinfo(host=host, port=443),
    "bytes": lambda host: socket.getaddrinfo(host.encode(), 443),
    "other-spelling": lambda host: socket.getaddrinfo(f"{host.upper()}.", 443),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_host_is_refused_whatever_the_client(guarded: list[str], way: str) -> None:
    with pytest.raises(Stopped):
        WAYS[way](RECORDED)

    assert set(guarded) == {RECORDED}


@pytest.mark.parametrize("way", ["urllib", "asyncio", "create_connection"])
def test_another_host_is_looked_up_as_ever(guarded: list[str], way: str) -> None:
    with pytest.raises(OSError, match=r"(?i)name|resol|address"):
        WAYS[way](OTHER)

    assert set(guarded) == {OTHER}


def test_this_computer_is_left_alone(guarded: list[str]) -> None:
    with serving(plain(b"hello")) as url:
        by_name = url.replace("127.0.0.1", "localhost")

        assert [urllib.request.urlopen(one).read() for one in (url, by_name)] == [b"hello", b"hello"]
    assert guarded == []


def test_closed_it_leaves_nothing_behind() -> None:
    places = [(socket, "getaddrinfo"), (socket, "gethostbyname"), (http.client.HTTPConnection, "set_tunnel")]
    before = [vars(owner)[name] for owner, name in places]
    guard = Guard(pytest.fail)
    guard.install()
    kept = socket.getaddrinfo

    guard.close()

    assert [vars(owner)[name] for owner, name in places] == before
    assert "connect" not in vars(socket.socket)
    with pytest.raises(OSError, match=r"(?i)name|resol|address"):
        kept(RECORDED, 443)


# ── in a studio ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def make_studio() -> Iterator[Callable[..., Studio]]:
    studios = []

    def make(*, replay: bool = True) -> Studio:
        studio = Studio(
            base_url="http://127.0.0.1:9", replay=replay, scrubber=Scrubber({}), rules=Rules(()), hosts=[RECORDED]
        )
        studio.install()
        studios.append(studio)
        return studio

    yield make
    for studio in studios:
        studio.close()


@pytest.mark.parametrize("host", ["api.runloop.ai", "api.openai.com", RECORDED])
def test_a_replay_refuses_recorded_hosts_and_holds_it(make_studio: Callable[..., Studio], host: str) -> None:
    studio = make_studio()
    job = Job(path=Path("none.json"), what="test", name="t.py::a", mode=Mode.REPLAY)
    studio.start(job)

    with pytest.raises(Unrecorded, match=rf"connection to {host}, on behalf of t\.py::a.*--runloop-target=emulator"):
        _opened(host)

    assert [miss.message for miss in job.misses if host in miss.message]


def test_a_port_of_a_sandbox_is_refused_to_websockets(make_studio: Callable[..., Studio]) -> None:
    studio = make_studio()
    studio.expose("https://8000-key.tunnel.invalid", "dbx_1", 8000)

    with pytest.raises(Unrecorded, match=r"8000-key\.tunnel\.invalid"):
        WAYS["websockets"]("8000-key.tunnel.invalid")


def test_what_no_test_asked_for_is_held_by_the_studio(make_studio: Callable[..., Studio]) -> None:
    studio = make_studio()

    def work() -> None:
        with pytest.raises(Unrecorded):
            socket.create_connection((RECORDED, 443))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    [miss] = studio.misses
    assert "no test or fixture" in miss.message


def test_the_models_address_is_refused_wherever_it_is(
    make_studio: Callable[..., Studio], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_studio()
    monkeypatch.setenv("OPENAI_BASE_URL", "https://models.invalid/v1")

    with pytest.raises(Unrecorded, match=r"models\.invalid"):
        _opened("models.invalid")


def test_a_recording_refuses_nothing(make_studio: Callable[..., Studio], monkeypatch: pytest.MonkeyPatch) -> None:
    studio = make_studio(replay=False)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://models.invalid/v1")

    with pytest.raises(urllib.error.URLError):
        _opened("models.invalid")

    assert studio.misses == []


def test_a_test_that_is_replayed_in_a_run_that_records_is_guarded(
    make_studio: Callable[..., Studio], tmp_path: Path
) -> None:
    studio = make_studio(replay=False)
    studio.start(Job(path=tmp_path / "a.json", what="test", name="t.py::a", mode=Mode.REPLAY, command="pytest"))

    with pytest.raises(Unrecorded, match=r"on behalf of t\.py::a"):
        _opened(RECORDED)
