"""With vcrpy itself: it plays what we wrote, we read what it wrote, and it writes in our format."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import vcr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vcr.cassette import Cassette as VcrCassette
from vcr.request import Request as VcrRequest

from pytest_runloop.cassettes.exchange import Exchange, Request, Response
from pytest_runloop.cassettes.files import document
from pytest_runloop.cassettes.files.document import Cassette
from pytest_runloop.cassettes.files.serializer import CassetteSerializer
from pytest_runloop.errors import CassetteError
from tests.unit.cassettes import generated

JSON = "application/json"
LARGE = b"\0\1\2\xff" * 1000


class _Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer("application/octet-stream", LARGE)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(JSON, json.dumps({"got": json.loads(body)}).encode())

    def _answer(self, content_type: str, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "cassettes"


def recorder(directory: Path, **options: Any) -> vcr.VCR:  # noqa: ANN401 - options of vcrpy
    found = vcr.VCR(cassette_library_dir=str(directory), **options)
    found.register_serializer("runloop", CassetteSerializer(directory))
    return found


def write(path: Path, *exchanges: Exchange) -> None:
    document.write(path, Cassette(exchanges=exchanges), key_of=repr, same_answer=Response.__eq__)


def traffic(url: str) -> list[object]:
    with httpx.Client(base_url=url, trust_env=False) as client:
        return [client.post("/v1/x?a=1", json={"n": [1, "é"]}).json(), client.get("/file").content]


@pytest.mark.parametrize("named", ["cassettes", "cassettes/test_a"])
def test_the_directory_may_be_the_cassette_s_or_that_of_all(tmp_path: Path, named: str) -> None:
    get = Request(method="GET", host="8000.dbx_1.sandbox", path="/big")
    write(tmp_path / "cassettes/test_a/x.json", Exchange(request=get, response=Response(status=200, chunks=(LARGE,))))

    found = CassetteSerializer(tmp_path / named).deserialize((tmp_path / "cassettes/test_a/x.json").read_text())

    assert (tmp_path / "cassettes/bodies").is_dir()
    assert found["interactions"][0]["response"]["body"]["string"] == LARGE


def test_vcrpy_plays_what_we_wrote(directory: Path) -> None:
    ask = Request(method="POST", host="runloop", path="/v1/devboxes?a=1", content_type=JSON, body=b'{"name":"x"}')
    box = Response(status=200, headers={"content-type": JSON}, chunks=(b'{"id":"dbx_1"}',))
    think = Request(method="POST", host="openai", path="/v1/responses", content_type=JSON, body=b"{}")
    events = Response(
        status=200, headers={"content-type": "text/event-stream"}, chunks=(b"data: 1\n\n", b"data: 2\n\n")
    )
    fetch = Request(method="GET", host="8000.dbx_1.sandbox", path="/big")
    missing = Response(status=404, chunks=(LARGE,))
    calls = [Exchange(request=ask, response=box), Exchange(request=think, response=events)]
    write(
        directory / "x.json", *calls, Exchange(request=fetch, response=missing), Exchange(request=fetch, response=None)
    )

    options = {"serializer": "runloop", "record_mode": "none", "match_on": ["method", "uri", "body"]}
    with recorder(directory, **options).use_cassette("x.json") as tape, httpx.Client(trust_env=False) as client:
        made = client.post("https://api.runloop.ai/v1/devboxes?a=1", json={"name": "x"})
        thought = client.post("https://api.openai.com/v1/responses", json={})
        fetched = client.get("http://8000.dbx_1.sandbox.invalid/big")

    assert (made.status_code, made.json(), made.headers["content-type"]) == (200, {"id": "dbx_1"}, JSON)
    assert thought.text == "data: 1\n\ndata: 2\n\n"
    assert (fetched.status_code, fetched.reason_phrase, fetched.content) == (404, "Not Found", LARGE)
    assert tape.all_played


@pytest.mark.parametrize("serializer", ["yaml", "runloop"])
def test_we_read_what_vcrpy_wrote(directory: Path, url: str, serializer: str) -> None:
    name = "x.yaml" if serializer == "yaml" else "x.json"
    with recorder(directory, serializer=serializer).use_cassette(name):
        expected = traffic(url)

    posted, got = document.read(directory / "x.json").exchanges

    assert (posted.request.method, posted.request.path) == ("POST", "/v1/x?a=1")
    assert json.loads(posted.request.body) == {"n": [1, "é"]}
    assert posted.response is not None
    assert got.response is not None
    assert [json.loads(posted.response.content), got.response.content] == expected
    assert got.response.headers == {"content-type": "application/octet-stream"}


def test_we_read_its_json(directory: Path, url: str) -> None:
    with recorder(directory, serializer="json").use_cassette("x.json"), httpx.Client(trust_env=False) as client:
        client.post(f"{url}/a", json={"b": 1})

    (found,) = document.read(directory / "x.json").exchanges
    assert json.loads(found.request.body) == {"b": 1}
    assert found.response is not None
    assert json.loads(found.response.content) == {"got": {"b": 1}}


def test_vcrpy_records_and_replays_in_our_format(directory: Path, url: str) -> None:
    mine = recorder(directory, serializer="runloop", match_on=["method", "uri", "body"])
    with mine.use_cassette("x.json"):
        first = traffic(url)
    with mine.use_cassette("x.json", record_mode="none") as tape:
        assert traffic(url) == first
        assert tape.all_played

    written = json.loads((directory / "x.json").read_text())
    assert written["interactions"][0]["request"]["json"] == {"n": [1, "é"]}
    assert len(list((directory / "bodies").iterdir())) == 1


def test_vcrpys_metadata_comes_back(directory: Path) -> None:
    serializer = CassetteSerializer(directory)

    text = serializer.serialize({"version": 1, "interactions": [], "metadata": {"seed": 7}})

    assert serializer.deserialize(text)["metadata"] == {"seed": 7}


def test_credentials_in_headers_are_not_written(directory: Path, url: str) -> None:
    with recorder(directory, serializer="runloop").use_cassette("x.json"), httpx.Client(trust_env=False) as client:
        client.get(url, headers={"Authorization": "Bearer hush-hush", "Cookie": "hush-hush"})

    assert "hush-hush" not in (directory / "x.json").read_text()


def test_a_text_of_no_use_is_an_error_of_ours(directory: Path) -> None:
    with pytest.raises(CassetteError, match=r"a cassette for .*cassettes: .*newer pytest-runloop.*; upgrade"):
        CassetteSerializer(directory).deserialize('{"version": 2, "interactions": []}')


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=50
)
@given(st.lists(generated.exchanges, max_size=3))
def test_vcrpy_finds_every_exchange_of_ours(directory: Path, exchanges: list[Exchange]) -> None:
    path = directory / "x.json"
    path.unlink(missing_ok=True)
    write(path, *exchanges)
    answered = [(one.request, one.response) for one in document.read(path).exchanges if one.response is not None]

    loaded = VcrCassette.load(path=path, serializer=CassetteSerializer(directory))

    assert len(loaded) == len(answered)
    for (request, response), (sent, answer) in zip(answered, loaded.data, strict=True):
        assert isinstance(sent, VcrRequest)
        assert (sent.method, sent.body or b"") == (request.method, request.body)
        assert (answer["status"]["code"], answer["body"]["string"]) == (response.status, response.content)
