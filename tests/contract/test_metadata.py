"""What metadata there is to filter by, as the vendor's API description has it."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import httpx
import pytest
from runloop_api_client import RunloopSDK
from runloop_api_client.sdk import Devbox
from runloop_api_client.types import DevboxSnapshotListView

from tests.contract.test_blueprints import Build, build  # noqa: F401 - a fixture
from tests.contract.test_shapes import _fits

Create = Callable[..., Devbox]
KINDS = ("devboxes", "devboxes/disk_snapshots", "blueprints", "objects")


def _found(http: httpx.Client, kind: str, key: str) -> tuple[bool, list[str]]:
    keys = http.get(f"/v1/{kind}/metadata/keys").raise_for_status().json()
    values = http.get(f"/v1/{kind}/metadata/keys/{key}/values").raise_for_status().json()
    assert (set(keys), set(values), values["key"]) == ({"keys"}, {"key", "values"}, key)
    return key in keys["keys"], values["values"]


def test_metadata_of_devboxes_and_snapshots(http: httpx.Client, create: Create) -> None:
    """Metadata routes: keys that are in use, and the values of one key."""
    key = uuid.uuid4().hex
    devbox, _ = create(metadata={key: "b", "other": "x"}), create(metadata={key: "a"})
    snapshot = devbox.snapshot_disk(metadata={key: "snapshot"})

    assert _found(http, "devboxes", key) == (True, ["a", "b"])
    assert _found(http, "devboxes/disk_snapshots", key) == (True, ["snapshot"])
    snapshot.delete()
    assert _found(http, "devboxes/disk_snapshots", key) == (False, [])


def test_metadata_of_blueprints_and_objects(http: httpx.Client, sdk: RunloopSDK, build: Build) -> None:  # noqa: F811
    """Metadata routes: the same for blueprints and objects."""
    key = uuid.uuid4().hex
    build(metadata={key: "blueprint"})
    one = sdk.storage_object.create(name="a", content_type="text", metadata={key: "object"})

    assert _found(http, "blueprints", key) == (True, ["blueprint"])
    assert _found(http, "objects", key) == (True, ["object"])
    one.delete()
    assert _found(http, "objects", key) == (False, [])


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_keys_have_no_values(http: httpx.Client, kind: str) -> None:
    """Metadata routes: a key nobody used, one with a slash, and one that is no key."""
    assert _found(http, kind, "never-used") == (False, [])
    slashed = http.get(f"/v1/{kind}/metadata/keys/a%2Fb/values").json()
    assert slashed == {"key": "a/b", "values": []}
    assert http.get(f"/v1/{kind}/metadata/keys/%00/values").status_code == 400


@pytest.mark.parametrize("kind", ["devboxes/disk_snapshots", "blueprints"])
def test_nothing_public_has_metadata(http: httpx.Client, kind: str) -> None:
    """Metadata routes: the public variants."""
    assert http.get(f"/v1/{kind}/public/metadata/keys").json() == {"keys": []}
    assert http.get(f"/v1/{kind}/public/metadata/keys/a/values").json() == {"key": "a", "values": []}


def test_there_are_no_public_snapshots(http: httpx.Client) -> None:
    """Disk snapshot API: list_public, with the filters of the other list."""
    answer = http.get("/v1/devboxes/disk_snapshots/list_public", params={"devbox_id": "x", "metadata[a]": "b"})
    _fits(DevboxSnapshotListView, answer)
    assert answer.json() == {"snapshots": [], "has_more": False, "total_count": 0}
