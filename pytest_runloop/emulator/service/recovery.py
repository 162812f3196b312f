"""Cleaning up after emulators that ended without closing."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.builds import BuildLogEntry
from pytest_runloop.emulator.domain.lifecycle import Event
from pytest_runloop.emulator.domain.records import SnapshotStatus
from pytest_runloop.emulator.service.identity import now_ms

if TYPE_CHECKING:
    from pytest_runloop.emulator.service.membership import Membership
    from pytest_runloop.emulator.service.store import Store

_log = logging.getLogger(__name__)
_PREFIXES = ("dbx_", "snp_", "bpt_", "lay_")
"""What the names of our disks begin with."""


def recover(store: Store, membership: Membership, *, disks: frozenset[str]) -> frozenset[str]:
    """Give up what dead emulators held, and name the disks nobody needs any more.

    Args:
        store: The common store.
        membership: Tells who is dead.
        disks: All disks there are, listed before this call: a disk made meanwhile has its record already.
    """
    dead = membership.dead(store.owners() - {store.owner})
    for devbox in store.held_by(dead):
        _log.warning("devbox %s was lost with its emulator", devbox.id)
        store.save_devbox(devbox.after(Event.FAIL, now_ms=now_ms(), failure_reason="health_check_failed"))
    for snapshot in store.snapshots_of(dead):
        lost = replace(snapshot, status=SnapshotStatus.ERROR, error_message="The emulator ended while taking it.")
        store.save_snapshot(lost)
    for blueprint in store.blueprints.unfinished_of(dead):
        now = now_ms()
        end = BuildLogEntry(level="ERROR", message="The emulator ended during the build.", timestamp_ms=now)
        store.blueprints.save_log(blueprint.id, [*store.blueprints.log(blueprint.id), end])
        store.blueprints.save(blueprint.finished(now_ms=now, failure_reason="build_failed"))
    store.blueprints.drop_layers_of(dead)
    store.forget_old()
    ours = frozenset(disk for disk in disks if disk.startswith(_PREFIXES))
    return ours - store.disks()
