"""Under which name a request is recorded, wherever the service was."""

from __future__ import annotations

import httpx
import pytest

from pytest_runloop.cassettes.exchange import OPENAI, RUNLOOP, Request
from pytest_runloop.cassettes.files.foreign import place_of, url_of
from pytest_runloop.cassettes.places import Places, address


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://api.runloop.ai/v1/devboxes?limit=1", (RUNLOOP, "/v1/devboxes?limit=1")),
        ("https://api.runloop.ai:443/v1/devboxes", (RUNLOOP, "/v1/devboxes")),
        ("http://127.0.0.1:4000/base/v1/devboxes", (RUNLOOP, "/v1/devboxes")),
        ("http://127.0.0.1:4000/base", (RUNLOOP, "")),
        ("http://127.0.0.1:4000/basement/v1", None),
        ("http://127.0.0.1:4000/", None),
        ("http://127.0.0.1:4001/base/v1", None),
        ("https://127.0.0.1:4000/base/v1", None),
        ("https://api.openai.com/v1/responses", (OPENAI, "/v1/responses")),
        ("https://model.example/gateway/responses", (OPENAI, "/v1/responses")),
        ("https://model.example/other", None),
        ("https://8000-k.tunnel.example/a%20b?x=%2F", ("8000.dbx_1.sandbox", "/a%20b?x=%2F")),
        ("https://mine.example/x", ("mine.example", "/x")),
        ("http://mine.example:81/x", ("mine.example:81", "/x")),
        ("https://not.mine.example/x", None),
        ("http://127.0.0.1/x", None),
    ],
)
def test_a_place(url: str, place: tuple[str, str] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://model.example/gateway/")
    places = Places("http://127.0.0.1:4000/base/", ["mine.example"])
    places.expose("https://8000-k.tunnel.example", "dbx_1", 8000)

    assert places.find(httpx.URL(url)) == place
    assert places.find(address(url)) == place


def test_one_more_address_of_the_api() -> None:
    places = Places("https://api.runloop.ai")
    assert places.find(address("http://127.0.0.1:5000/v1")) is None
    places.serve("http://127.0.0.1:5000")
    assert places.find(address("http://127.0.0.1:5000/v1")) == (RUNLOOP, "/v1")


@pytest.mark.parametrize("host", [RUNLOOP, OPENAI, "8000.dbx_1.sandbox", "mine.example:81"])
def test_vcrpy_gets_a_url_for_every_host_and_it_leads_back(host: str) -> None:
    request = Request(method="GET", host=host, path="/a/b?c=d&e=%20")
    assert place_of(url_of(request)) == (host, request.path)
