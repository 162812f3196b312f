"""One emulator: its services put together, its start on a shared state directory, and its end."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.blueprints import BASE_BLUEPRINTS, BaseBlueprint
from pytest_runloop.emulator.domain.lifecycle import Event, Status
from pytest_runloop.emulator.service.blueprint_builds import BlueprintBuilds
from pytest_runloop.emulator.service.blueprints import Blueprints
from pytest_runloop.emulator.service.boot import Boot
from pytest_runloop.emulator.service.builder import Builder
from pytest_runloop.emulator.service.devboxes import Devboxes
from pytest_runloop.emulator.service.executions import Executions
from pytest_runloop.emulator.service.families import OBJECTS, Families
from pytest_runloop.emulator.service.files import Files
from pytest_runloop.emulator.service.identity import fresh_id
from pytest_runloop.emulator.service.layers import Layers
from pytest_runloop.emulator.service.logs import Logs
from pytest_runloop.emulator.service.membership import Membership
from pytest_runloop.emulator.service.ports import Ports
from pytest_runloop.emulator.service.recovery import recover
from pytest_runloop.emulator.service.roster import Roster
from pytest_runloop.emulator.service.secrets import Secrets
from pytest_runloop.emulator.service.snapshots import Snapshots
from pytest_runloop.emulator.service.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_runloop.emulator.machine.machines import Machines

_log = logging.getLogger(__name__)
_LOOK_S = 1.0
"""How long after the start objects are first looked at: a start has better things to do."""
_DRAIN_S = 10.0
"""How long the end waits for suspends, snapshots and deletions under way: what they do must not be half done."""


class Emulator(Families):
    """Everything one emulator serves. Make it with ``open``, end it with ``close``."""

    def __init__(
        self,
        store: Store,
        machines: Machines,
        membership: Membership,
        bases: Sequence[BaseBlueprint],
        *,
        state: Path,
    ) -> None:
        super().__init__(Roster(store), membership, state=state)
        self._machines = machines
        self.secrets = Secrets(store)
        builder = Builder(machines, objects=lambda: self.objects, network=lambda: self.network)
        layers = Layers(store.blueprints, machines, builder, membership)
        by_name = {base.name: base for base in bases}
        builds = BlueprintBuilds(store.blueprints, builder, by_name)
        self.blueprints = Blueprints(
            store,
            machines,
            layers=layers,
            secrets=self.secrets,
            builds=builds,
            bases=by_name,
            objects=lambda: self.objects,
            network=lambda: self.network,
        )
        self._boot = Boot(
            self._roster,
            machines,
            self.blueprints,
            mounts=lambda: self.mounts,
            network=lambda: self.network,
            troubles=lambda: self.troubles,
        )
        self.devboxes = Devboxes(
            self._roster,
            machines,
            self._boot,
            self.secrets,
            self.blueprints,
            mounts=lambda: self.mounts,
            network=lambda: self.network,
            troubles=lambda: self.troubles,
        )
        self.executions = Executions(self._roster)
        self.files = Files(self._roster)
        self.snapshots = Snapshots(self._roster, machines)
        self.logs = Logs(self._roster)
        self.ports = Ports(self._roster)

    @classmethod
    async def open(
        cls, state: Path, opening: Awaitable[Machines], *, bases: Sequence[BaseBlueprint] = BASE_BLUEPRINTS
    ) -> Emulator:
        """Start on a state directory, and clean up after emulators that died on it.

        Args:
            state: The directory; made if missing.
            opening: Gives what runs the devboxes. The emulator closes it.
            bases: The blueprints nobody has to build.

        Raises:
            StoreError: The directory can't be used.
        """
        machines = await opening
        try:
            return cls._start(state, machines, bases)
        except BaseException:
            await machines.close()
            raise

    @classmethod
    def _start(cls, state: Path, machines: Machines, bases: Sequence[BaseBlueprint]) -> Emulator:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = fresh_id("emu")
        # One start at a time: two of them could both think the third dead, or find a file half made.
        with _exclusive(state / "start.lock"):
            membership = Membership(state / "emulators", owner=owner)
            store = Store.open(state / "emulator.sqlite3", owner=owner)
            leftovers = recover(store, membership, disks=machines.disks.names())
        emulator = cls(store, machines, membership, bases, state=state)
        for disk in leftovers:
            emulator._roster.spawn(machines.disks.remove(disk))
        emulator._look_after_objects()
        return emulator

    async def close(self) -> None:
        """End every devbox that runs here and everything that was under way; suspended devboxes stay."""
        self.wish(None)
        for runtime in self._roster.all_held():
            if runtime.record.status is not Status.SUSPENDING:
                self._roster.move(runtime, Event.SHUT_DOWN, shutdown_reason="api_shutdown")
                self._roster.spawn(self._boot.discard(runtime))
        await self.ports.close()
        await self.blueprints.close()
        await self._roster.drain(timeout_s=_DRAIN_S)
        await self._machines.close()
        self._ends.close()
        self._store.close()
        self._membership.close()

    def _look_after_objects(self) -> None:
        """See that objects end in time, though nobody asks for objects any more."""
        if (self._state / OBJECTS).exists():
            timer = asyncio.get_running_loop().call_later(_LOOK_S, lambda: self.objects)
            self._ends.callback(timer.cancel)


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
