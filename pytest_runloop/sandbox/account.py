"""What a Runloop account keeps between runs, as a protocol and plain records: disk snapshots, devboxes, blueprints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_runloop.blueprint import Blueprint
    from pytest_runloop.sandbox.boundary import DevboxApi


@dataclass(frozen=True, kw_only=True)
class DiskSnapshot:
    """A disk snapshot as a list shows it; a list does not say whether it is complete.

    Attributes:
        created_ms: When it was begun, by the server's clock.
    """

    id: str
    created_ms: int
    labels: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class KnownDevbox:
    """A devbox as a list shows it."""

    id: str
    status: str
    created_ms: int
    labels: Mapping[str, str]
    api: DevboxApi


@dataclass(frozen=True, kw_only=True)
class Build:
    """A blueprint as the API sees it now.

    Attributes:
        status: ``queued``, ``provisioning``, ``building``, ``build_complete``, ``failed``.
        reason: Why it failed, in the API's word.
    """

    id: str
    name: str
    status: str
    created_ms: int
    reason: str | None = None


class Account(Protocol):
    """An account's routes. Every method may raise ApiFailure."""

    async def disk_snapshots(self, labels: Mapping[str, str]) -> list[DiskSnapshot]:
        """Return the disk snapshots with all of this metadata, deleted ones left out."""

    async def snapshot_status(self, snapshot_id: str) -> str:
        """Return ``in_progress``, ``complete``, ``error`` or ``deleted``; also the last if nobody knows it."""

    async def delete_snapshot(self, snapshot_id: str) -> None:
        """Delete a disk snapshot; one that is gone already is fine."""

    def devbox(self, devbox_id: str) -> DevboxApi:
        """Return the routes of a devbox that is known by its id only; nothing is sent."""

    async def devboxes(self, *, status: str) -> list[KnownDevbox]:
        """Return all devboxes that have a status."""

    async def builds(self, name: str) -> list[Build]:
        """Return the account's blueprints of exactly this name that are not deleted."""

    async def build(self, blueprint: Blueprint) -> Build:
        """Begin to build a blueprint under its own name."""

    async def build_status(self, blueprint_id: str) -> Build:
        """Return how far a blueprint is."""

    async def build_log(self, blueprint_id: str) -> list[str]:
        """Return the lines of a build's log, oldest first."""

    async def blueprint_names(self) -> list[str]:
        """Return the names of the blueprints that can be used: the account's own and the public ones."""
