"""Disk snapshots, as the vendor's clients and documentation have them."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from runloop_api_client import BadRequestError, NotFoundError, RunloopSDK
from runloop_api_client.sdk import Devbox

Create = Callable[..., Devbox]


def test_a_snapshot_keeps_what_was_said_about_it(devbox: Devbox) -> None:
    """Snapshot API: name, metadata and message; ``status`` is its getter."""
    snapshot = devbox.snapshot_disk(name="s1", metadata={"purpose": "t"}, commit_message="because")

    info = snapshot.get_info()

    assert info.status == "complete"
    assert info.snapshot is not None
    assert (info.snapshot.id, info.snapshot.name, info.snapshot.metadata) == (snapshot.id, "s1", {"purpose": "t"})
    assert (info.snapshot.commit_message, info.snapshot.source_devbox_id) == ("because", devbox.id)
    assert snapshot.delete() is not None
    assert snapshot.get_info().status == "deleted"


def test_an_asynchronous_snapshot_becomes_complete(devbox: Devbox) -> None:
    """Snapshot API, snapshot_disk_async: answers at once."""
    snapshot = devbox.snapshot_disk_async(name="later")

    assert snapshot.get_info().status in {"in_progress", "complete"}
    assert snapshot.await_completed().status == "complete"
    snapshot.delete()


def test_a_snapshot_outlives_its_devbox_and_clones_are_apart(sdk: RunloopSDK, create: Create) -> None:
    """Snapshot documentation: several devboxes from one snapshot, the whole disk, each its own."""
    source = create()
    source.file.write(file_path="/tmp/marker", contents="then")
    snapshot = source.snapshot_disk()
    source.file.write(file_path="/tmp/marker", contents="later")
    source.shutdown()

    clones = [snapshot.create_devbox(), sdk.devbox.create_from_snapshot(snapshot.id)]
    clones[0].file.write(file_path="/tmp/marker", contents="mine")

    assert [clone.get_info().snapshot_id for clone in clones] == [snapshot.id] * 2
    assert clones[1].file.read(file_path="/tmp/marker") == "then"
    clones[1].shutdown()
    snapshot.delete()
    assert clones[0].file.read(file_path="/tmp/marker") == "mine"
    clones[0].shutdown()


def test_a_devbox_stays_usable_while_and_after_it_is_taken(create: Create) -> None:
    """Snapshot API: the source goes on."""
    devbox = create()

    snapshot = devbox.snapshot_disk_async()
    assert devbox.cmd.exec("echo on").stdout() == "on\n"
    snapshot.await_completed()

    assert devbox.get_info().status == "running"
    snapshot.delete()


def test_lists_are_filtered_by_devbox_and_metadata(sdk: RunloopSDK, create: Create) -> None:
    """Snapshot API, list: also after the devbox has ended."""
    devbox = create()
    mark = str(uuid.uuid4())
    first, second = (devbox.snapshot_disk(metadata={"mark": mark, "n": n}) for n in "12")
    devbox.shutdown()

    def listed(**query: str) -> list[str]:
        return [one.id for one in sdk.api.devboxes.disk_snapshots.list(extra_query=query).snapshots]

    assert listed(devbox_id=devbox.id) == [second.id, first.id]
    assert listed(**{"metadata[mark]": mark, "metadata[n]": "1"}) == [first.id]
    assert listed(**{"metadata[mark][in]": f"x,{mark}"}) == [second.id, first.id]
    assert sdk.snapshot.from_id(first.id).get_info().status == "complete"
    for snapshot in (first, second):
        snapshot.delete()
    assert listed(devbox_id=devbox.id) == []


def test_a_snapshot_is_renamed(devbox: Devbox) -> None:
    """Snapshot API, update: the new name shows in ``status``."""
    snapshot = devbox.snapshot_disk(name="old", metadata={"kept": "1"})

    snapshot.update(name="new")

    view = snapshot.get_info().snapshot
    assert view is not None
    assert (view.name, view.metadata) == ("new", {"kept": "1"})
    snapshot.delete()


def test_only_what_is_there_can_be_started_from(sdk: RunloopSDK, devbox: Devbox) -> None:
    """Creating from a deleted or unknown snapshot is a bad request; asking for one is not found."""
    snapshot = devbox.snapshot_disk()
    snapshot.delete()

    for name in (snapshot.id, "snp_nope"):
        with pytest.raises(BadRequestError, match=name):
            sdk.devbox.create_from_snapshot(name)
    with pytest.raises(NotFoundError):
        sdk.snapshot.from_id("snp_nope").get_info()


def test_a_suspended_devbox_can_not_be_snapshotted(create: Create) -> None:
    """Snapshots are taken of running devboxes."""
    devbox = create()
    devbox.suspend()
    devbox.await_suspended()

    with pytest.raises(BadRequestError, match="suspended"):
        devbox.snapshot_disk()
