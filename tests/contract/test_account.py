"""The account and its keys, as the vendor's clients and documentation have them."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from runloop_api_client.types import AccountView, APIKeyCreatedView, RestrictedKeyCreatedView

from tests.contract.conftest import LIVE, Service
from tests.contract.test_shapes import _fits

pytestmark = pytest.mark.skipif(LIVE, reason="makes keys that nobody could delete")


def _with(service: Service, key: str) -> httpx.Client:
    return httpx.Client(base_url=service.base_url, headers={"Authorization": f"Bearer {key}"}, timeout=30)


def _restricted(http: httpx.Client, **levels: str) -> str:
    scopes = [
        {"resource_type": f"RESOURCE_TYPE_{kind}", "access_level": f"ACCESS_LEVEL_{level}"}
        for kind, level in levels.items()
    ]
    made = http.post("/v1/restricted_keys", json={"name": "narrow", "scopes": scopes})
    return _fits(RestrictedKeyCreatedView, made)["key_secret"]


def test_the_account_is_shown(http: httpx.Client) -> None:
    """Account API: the same account each time, and it may be used."""
    account = _fits(AccountView, http.get("/v1/accounts/me"))

    assert account["account_status"] == "ACCOUNT_STATUS_ENABLED"
    assert http.get("/v1/accounts/me").json() == account


def test_a_new_key_opens_everything(http: httpx.Client, service: Service) -> None:
    """API key API: the prefix ak_; the key authenticates at once."""
    made = _fits(APIKeyCreatedView, http.post("/v1/apikeys", json={"name": "second"}))

    assert made["key_secret"].startswith("ak_")
    with _with(service, made["key_secret"]) as client:
        assert client.get("/v1/devboxes").status_code == 200
        assert client.post("/v1/apikeys", json={}).status_code == 200


def test_a_key_ends(http: httpx.Client, service: Service) -> None:
    """API key API: expires_at_ms; afterwards the key is as good as none."""
    end = int(time.time() * 1000) + 1500
    made = http.post("/v1/apikeys", json={"expires_at_ms": end}).json()
    assert made["expires_at_ms"] == end

    with _with(service, made["key_secret"]) as client:
        assert client.get("/v1/devboxes").status_code == 200
        time.sleep(max(0.0, end / 1000 - time.time()) + 0.05)
        assert client.get("/v1/devboxes").status_code == 401
    assert http.post("/v1/apikeys", json={"expires_at_ms": end}).status_code == 400


def test_a_restricted_key_reads_what_it_may_read(http: httpx.Client, service: Service) -> None:
    """Restricted key API: the prefix rk_; reading is not writing, and one kind of resource is not another."""
    secret = _restricted(http, OBJECTS="READ", DEVBOXES="WRITE", BLUEPRINTS="NONE")
    assert secret.startswith("rk_")

    with _with(service, secret) as client:
        assert client.get("/v1/objects").status_code == 200
        assert client.post("/v1/objects", json={"name": "a", "content_type": "text"}).status_code == 403
        assert client.post("/v1/devboxes/dbx_none/keep_alive").status_code == 404
        assert client.get("/v1/devboxes/dbx_none").status_code == 404
        assert client.get("/v1/blueprints").status_code == 403
        assert client.get("/v1/devboxes/disk_snapshots").status_code == 403
        assert client.get("/v1/secrets").status_code == 403
        assert client.post("/v1/apikeys", json={}).status_code == 403


def test_a_restricted_key_of_the_account_makes_keys(http: httpx.Client, service: Service) -> None:
    """API key API: a restricted key with write access to the account may make keys."""
    with _with(service, _restricted(http, ACCOUNT="WRITE")) as client:
        assert client.post("/v1/apikeys", json={}).status_code == 200
        assert client.get("/v1/devboxes").status_code == 403


@pytest.mark.parametrize(
    "scopes",
    [
        [],
        [{"resource_type": "RESOURCE_TYPE_DEVBOXES"}],
        [{"resource_type": "DEVBOXES", "access_level": "ACCESS_LEVEL_READ"}],
        [{"resource_type": "RESOURCE_TYPE_DEVBOXES", "access_level": "ACCESS_LEVEL_READ"}] * 2,
    ],
)
def test_invalid_scopes_are_refused(http: httpx.Client, scopes: list[dict[str, Any]]) -> None:
    """Restricted key API: 400 for invalid scopes."""
    assert http.post("/v1/restricted_keys", json={"scopes": scopes}).status_code == 400


def test_an_unknown_key_is_refused(service: Service) -> None:
    """Transport: 401 for any key that the account did not make."""
    for key in ("ak_unknown", "rk_unknown", "x"):
        with _with(service, key) as client:
            assert client.get("/v1/devboxes").status_code == 401
