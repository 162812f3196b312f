"""Lists that change while a client goes through them page by page: it gives back the last id it saw, and no more."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from runloop_api_client import Runloop, RunloopSDK
from runloop_api_client.sdk import Devbox

from tests.contract.conftest import Service

Create = Callable[..., Devbox]
# Path, body of a create, and how one is taken out of the list.
FAMILIES: dict[str, tuple[dict[str, Any], str]] = {
    "objects": ({"content_type": "text"}, "POST {path}/{id}/delete"),
    "network-policies": ({}, "POST {path}/{id}/delete"),
    "gateway-configs": (
        {"endpoint": "https://x.example.com", "auth_mechanism": {"type": "bearer"}},
        "POST {path}/{id}/delete",
    ),
    "mcp-configs": ({"endpoint": "https://x.example.com", "allowed_tools": ["*"]}, "POST {path}/{id}/delete"),
    "agents": (
        {"version": "1", "source": {"type": "npm", "npm": {"package_name": "cowsay"}}},
        "POST {path}/{id}/delete",
    ),
    "axons": ({}, "DELETE {path}/{id}"),
    "blueprints": ({}, "POST {path}/{id}/delete"),
    "benchmarks": ({}, "POST {path}/{id}/archive"),
}


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[Runloop]:
    with Runloop(bearer_token=service.api_key, base_url=service.base_url) as client:
        yield client


@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_page_shows_can_be_deleted_before_the_next_one(http: httpx.Client, client: Runloop, family: str) -> None:
    """Pagination: a cursor whose item is gone still says where to go on."""
    body, deletion = FAMILIES[family]
    path, name = f"/v1/{family}", f"paged-{uuid.uuid4().hex}"
    one_name = family in {"blueprints", "benchmarks"}  # the others' filter takes a part of the name
    made = [
        http.post(path, json={**body, "name": name if one_name else f"{name}-{index}"}).raise_for_status().json()["id"]
        for index in range(3)
    ]

    resource = getattr(client, family.replace("-", "_"))
    seen = []
    for item in resource.list(name=name, limit=1):
        seen.append(item.id)
        method, target = deletion.format(path=path, id=item.id).split()
        http.request(method, target).raise_for_status()

    assert seen == made[::-1]
    assert list(resource.list(name=name)) == []


def test_devboxes_that_a_page_shows_can_be_ended_before_the_next_one(client: Runloop, create: Create) -> None:
    """Devbox API: the same with a filter that they leave."""
    mine = {create().id for _ in range(3)}
    ended = []
    for devbox in client.devboxes.list(status="running", limit=1):
        if devbox.id in mine:
            client.devboxes.shutdown(devbox.id)
            ended.append(devbox.id)

    assert set(ended) == mine
    assert len(ended) == len(mine)


def test_snapshots_that_a_page_shows_can_be_deleted_before_the_next_one(client: Runloop, devbox: Devbox) -> None:
    """Disk snapshot API: likewise."""
    made = [devbox.snapshot_disk().id for _ in range(2)]
    seen = []
    for snapshot in client.devboxes.disk_snapshots.list(devbox_id=devbox.id, limit=1):
        seen.append(snapshot.id)
        client.devboxes.disk_snapshots.delete(snapshot.id)

    assert seen[:2] == made[::-1]


def test_a_page_goes_on_before_the_systems_own(http: httpx.Client, client: Runloop) -> None:
    """Gateway config API: those without an account are last, and stay when a cursor is gone."""
    body = {"name": uuid.uuid4().hex, "endpoint": "https://x.example.com", "auth_mechanism": {"type": "bearer"}}
    oldest = http.post("/v1/gateway-configs", json=body).raise_for_status().json()["id"]
    http.post(f"/v1/gateway-configs/{oldest}/delete").raise_for_status()
    rest = client.gateway_configs.list(starting_after=oldest, limit=100)

    assert {"anthropic", "openai"} <= {one.name for one in rest.gateway_configs}


def test_a_config_is_created_once(sdk: RunloopSDK) -> None:
    """Retries: the client repeats its ``x-request-id``, and gets what was made instead of "already exists"."""
    name, key = uuid.uuid4().hex, uuid.uuid4().hex
    first = sdk.network_policy.create(name=name, idempotency_key=key)
    again = sdk.network_policy.create(name=name, idempotency_key=key)

    assert again.id == first.id
    first.delete()


def test_a_secret_is_created_once(client: Runloop) -> None:
    """Retries: likewise for secrets."""
    name, key = uuid.uuid4().hex, uuid.uuid4().hex
    first = client.secrets.create(name=name, value="a", idempotency_key=key)
    again = client.secrets.create(name=name, value="a", idempotency_key=key)

    assert again.id == first.id
    client.secrets.delete(name)
