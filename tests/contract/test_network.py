"""Tunnels, keys, unknown routes and secrets, as the vendor's clients and documentation have them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import httpx
import pytest
from runloop_api_client import APIStatusError, AuthenticationError, BadRequestError, NotFoundError, Runloop, RunloopSDK
from runloop_api_client.sdk import Devbox
from runloop_api_client.types import TunnelView

from tests.contract.conftest import Service

Create = Callable[..., Devbox]


def test_a_tunnel_asked_for_at_creation_is_there(create: Create) -> None:
    """Tunnel documentation: one key for all ports; a token only when authenticated."""
    opened = _tunnel(create(tunnel={"auth_mode": "open"}))
    closed = _tunnel(create(tunnel={"auth_mode": "authenticated"}))

    assert opened.tunnel_key
    assert (opened.auth_mode, opened.auth_token) == ("open", None)
    assert closed.auth_token


def test_a_tunnel_is_opened_once_and_closed(sdk: RunloopSDK, create: Create) -> None:
    """Devbox API, enable_tunnel: 400 if there is one already; remove_tunnel makes it null."""
    devbox = create()

    tunnel = devbox.net.enable_tunnel()

    assert tunnel.tunnel_key == _tunnel(devbox).tunnel_key
    assert (tunnel.auth_mode, tunnel.http_keep_alive, tunnel.wake_on_http) == ("open", True, False)
    assert tunnel.create_time_ms > 0
    with pytest.raises(BadRequestError, match="already"):
        devbox.net.enable_tunnel()
    assert (devbox.get_tunnel_url(8080) or "").startswith(f"https://8080-{tunnel.tunnel_key}.tunnel.")
    assert devbox.net.remove_tunnel() is not None
    assert devbox.get_info().tunnel is None


def test_a_tunnel_key_survives_a_suspend(create: Create) -> None:
    """Tunnel documentation: it works again after a resume."""
    devbox = create(tunnel={"auth_mode": "open"})
    key = _tunnel(devbox).tunnel_key

    devbox.suspend()
    devbox.await_suspended()
    devbox.resume()

    assert _tunnel(devbox).tunnel_key == key


def test_a_port_is_reached_from_here(emulator: Service, http: httpx.Client, create: Create) -> None:
    """The emulator's own route; Runloop's tunnels end on the internet."""
    devbox = create()
    devbox.file.write(file_path="site/index.html", contents="hello from inside")
    path = f"/_emulator/devboxes/{devbox.id}/ports/8123"
    url = http.post(path).json()["url"]

    devbox.cmd.exec("cd site && python3 -m http.server 8123 >/dev/null 2>&1 &")

    assert _until_it_answers(url) == "hello from inside"
    assert http.post(path).json()["url"] == url
    devbox.suspend()
    devbox.await_suspended()
    devbox.resume()
    devbox.cmd.exec("cd site && python3 -m http.server 8123 >/dev/null 2>&1 &")
    assert _until_it_answers(url) == "hello from inside"
    devbox.shutdown()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_two_devboxes_may_use_the_same_port(emulator: Service, http: httpx.Client, create: Create) -> None:
    """Each devbox has its own network."""
    urls = {}
    for name in ("one", "two"):
        devbox = create()
        devbox.file.write(file_path="index.html", contents=name)
        devbox.cmd.exec("python3 -m http.server 9000 >/dev/null 2>&1 &")
        urls[name] = http.post(f"/_emulator/devboxes/{devbox.id}/ports/9000").json()["url"]

    assert {name: _until_it_answers(url) for name, url in urls.items()} == {"one": "one", "two": "two"}


@pytest.mark.parametrize("key", ["", "Bearer", "Bearer wrong", "Basic abc"])
def test_a_request_without_the_key_is_unauthorized(service: Service, key: str) -> None:
    """Authentication: 401 for a missing or unknown key, whatever the route."""
    for path in ("/v1/devboxes", "/v1/devboxes/dbx_nope", "/nowhere"):
        answer = httpx.get(service.base_url + path, headers={"Authorization": key} if key else {})

        assert answer.status_code == 401
        assert answer.json()["message"]


def test_a_wrong_key_is_the_client_s_authentication_error(service: Service) -> None:
    """The client knows what a 401 is."""
    with Runloop(bearer_token="ak_wrong", base_url=service.base_url) as client, pytest.raises(AuthenticationError):
        client.devboxes.list()


def test_what_is_not_emulated_says_so_at_once(emulator: Service, sdk: RunloopSDK) -> None:
    """Runloop's other routes: 501, with the route's name, and no retries."""
    started = time.monotonic()

    with pytest.raises(APIStatusError, match="POST /v1/benchmark_jobs") as error:
        sdk.api.benchmark_jobs.create()

    assert error.value.status_code == 501
    assert time.monotonic() - started < 2


def test_an_unknown_route_is_not_found(http: httpx.Client) -> None:
    """What Runloop hasn't either."""
    answer = http.get("/v1/nothing-like-this")

    assert answer.status_code == 404
    assert "/v1/nothing-like-this" in answer.json()["message"]


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(http: httpx.Client, body: bytes) -> None:
    """A refusal, not a failure."""
    answer = http.post("/v1/devboxes", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 400
    assert answer.json()["code"] == "400"


def test_text_that_is_no_text_is_refused(http: httpx.Client) -> None:
    """Half a surrogate can't be stored, run or sent back."""
    assert http.post("/v1/devboxes", content=b'{"name": "\\ud800"}').status_code == 400


def test_secrets_are_kept_but_never_given_back(sdk: RunloopSDK, http: httpx.Client) -> None:
    """Secret API: names, ids and times; a duplicate is a 400 that says so, which clients take for an update."""
    name = f"contract-{uuid.uuid4()}"

    made = sdk.api.secrets.create(name=name, value="v1")
    with pytest.raises(BadRequestError, match="already exists"):
        sdk.api.secrets.create(name=name, value="v2")
    updated = sdk.api.secrets.update(name, value="v3")

    assert made.id.startswith("sec_")
    assert (updated.id, updated.name) == (made.id, name)
    assert updated.update_time_ms >= made.create_time_ms > 0
    raw = http.get("/v1/secrets").text + http.get(f"/v1/secrets/{name}").text
    assert name in raw
    assert not any(value in raw for value in ('"v1"', '"v3"'))
    assert http.get("/v1/secrets", params={"limit": 1}).json()["secrets"][0]["name"] == name
    assert sdk.api.secrets.delete(name).name == name
    assert name not in http.get("/v1/secrets").text
    with pytest.raises(NotFoundError):
        sdk.api.secrets.update(name, value="x")


def _until_it_answers(url: str) -> str:
    deadline = time.monotonic() + 10
    while True:
        try:
            return httpx.get(url).raise_for_status().text
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _tunnel(devbox: Devbox) -> TunnelView:
    tunnel = devbox.get_info().tunnel
    assert tunnel is not None
    return tunnel
