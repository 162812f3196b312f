"""The vendor's client behind ``account.Account``: what a Runloop account keeps between runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_runloop.sandbox.account import Build, DiskSnapshot, KnownDevbox
from pytest_runloop.sandbox.boundary import ApiFailure, Timeouts
from pytest_runloop.sandbox.runloop.api import VendorDevbox, failures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runloop_api_client.sdk import AsyncRunloopSDK
    from runloop_api_client.types import BlueprintView

    from pytest_runloop.blueprint import Blueprint
    from pytest_runloop.sandbox.looplocal import LoopLocal
    from pytest_runloop.target import Target

NOT_FOUND = 404
PAGE = 1000
BLUEPRINT_ID = "bpt_"

KNOWN_BY_LIST = Timeouts(
    exec_s=30, create_s=30, cleanup_s=30, fast_op_s=30, upload_s=30, download_s=30, suspend_s=120, resume_s=300,
    snapshot_s=300,
)  # fmt: skip
"""For devboxes of which no more is known than what a list says: the SDK's own defaults."""


class VendorAccount:
    """An account's routes; implements ``account.Account``."""

    def __init__(self, sdk: LoopLocal[AsyncRunloopSDK], *, target: Target) -> None:
        self._sdk = sdk
        self._target = target

    async def disk_snapshots(self, labels: Mapping[str, str]) -> list[DiskSnapshot]:
        """Return the disk snapshots with all of this metadata."""
        # The client's own parameter for this sends the word "key" instead of one.
        query = {f"metadata[{name}]": value for name, value in labels.items()}
        with failures():
            listed = [view async for view in self._api.devboxes.disk_snapshots.list(limit=PAGE, extra_query=query)]
        return [
            DiskSnapshot(id=view.id, created_ms=view.create_time_ms, labels=view.metadata)
            for view in listed
            # Not trusted to have been filtered.
            if labels.items() <= view.metadata.items()
        ]

    async def snapshot_status(self, snapshot_id: str) -> str:
        """Return a disk snapshot's status; ``deleted`` if nobody knows it."""
        try:
            with failures():
                return str((await self._api.devboxes.disk_snapshots.query_status(snapshot_id)).status)
        except ApiFailure as failure:
            if failure.status == NOT_FOUND:
                return "deleted"
            raise

    async def delete_snapshot(self, snapshot_id: str) -> None:
        """Delete a disk snapshot."""
        try:
            with failures():
                await self._api.devboxes.disk_snapshots.delete(snapshot_id)
        except ApiFailure as failure:
            if failure.status != NOT_FOUND:
                raise

    def devbox(self, devbox_id: str) -> VendorDevbox:
        """Return the routes of a devbox."""
        return VendorDevbox(self._sdk, devbox_id, target=self._target, timeouts=KNOWN_BY_LIST)

    async def devboxes(self, *, status: str) -> list[KnownDevbox]:
        """Return all devboxes that have a status."""
        with failures():
            listed = [view async for view in self._api.devboxes.list(limit=PAGE, status=status)]
        return [
            KnownDevbox(
                id=view.id,
                status=view.status,
                created_ms=view.create_time_ms,
                labels=view.metadata,
                api=self.devbox(view.id),
            )
            for view in listed
        ]

    async def builds(self, name: str) -> list[Build]:
        """Return the account's blueprints of exactly this name that are not deleted."""
        with failures():
            listed = [view async for view in self._api.blueprints.list(limit=PAGE, name=name)]
        return [_build(view) for view in listed if view.name == name and view.state != "deleted"]

    async def build(self, blueprint: Blueprint) -> Build:
        """Begin to build a blueprint under its own name."""
        fields: dict[str, object] = {"name": blueprint.name}
        if blueprint.dockerfile is not None:
            fields["dockerfile"] = blueprint.dockerfile
        if blueprint.base is not None:
            kind = "base_blueprint_id" if blueprint.base.startswith(BLUEPRINT_ID) else "base_blueprint_name"
            fields[kind] = blueprint.base
        if blueprint.setup_commands:
            fields["system_setup_commands"] = list(blueprint.setup_commands)
        if blueprint.files:
            fields["file_mounts"] = dict(blueprint.files)
        with failures():
            return _build(await self._api.blueprints.create(**fields))

    async def build_status(self, blueprint_id: str) -> Build:
        """Return how far a blueprint is."""
        with failures():
            return _build(await self._api.blueprints.retrieve(blueprint_id))

    async def build_log(self, blueprint_id: str) -> list[str]:
        """Return the lines of a build's log."""
        with failures():
            answer = await self._api.blueprints.logs(blueprint_id)
        return [line for entry in answer.logs for line in entry.message.splitlines()]

    async def blueprint_names(self) -> list[str]:
        """Return the names of the blueprints that can be used."""
        routes = self._api.blueprints
        with failures():
            own = [view async for view in routes.list(limit=PAGE, status="build_complete")]
            public = [view async for view in routes.list_public(limit=PAGE)]
        return sorted({view.name for view in [*own, *public] if view.status == "build_complete"})

    @property
    def _api(self) -> Any:  # noqa: ANN401 - SDK boundary: AsyncRunloop; its TypedDicts are not ours to satisfy
        return self._sdk.get().api


def _build(view: BlueprintView) -> Build:
    return Build(
        id=view.id,
        name=view.name,
        status=view.status,
        created_ms=view.create_time_ms,
        reason=view.failure_reason,
    )
