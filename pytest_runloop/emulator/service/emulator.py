"""One emulator: its services put together, its start on a shared state directory, and its end."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.blueprints import BASE_BLUEPRINTS, BaseBlueprint
from pytest_runloop.emulator.domain.lifecycle import Event, Status
from pytest_runloop.emulator.service.blueprint_builds import BlueprintBuilds
from pytest_runloop.emulator.service.blueprints import Blueprints
from pytest_runloop.emulator.service.boot import Boot
from pytest_runloop.emulator.service.builder import Builder
from pytest_runloop.emulator.service.devboxes import Devboxes
from pytest_runloop.emulator.service.executions import Executions
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
    from pytest_runloop.emulator.service.agents import Agents
    from pytest_runloop.emulator.service.axons import Axons
    from pytest_runloop.emulator.service.benchmarks import BenchmarkRuns, Benchmarks
    from pytest_runloop.emulator.service.evictions import Evictions
    from pytest_runloop.emulator.service.keys import Keys
    from pytest_runloop.emulator.service.log_tail import LogTail
    from pytest_runloop.emulator.service.mounts import Mounts
    from pytest_runloop.emulator.service.network import Network
    from pytest_runloop.emulator.service.objects import Objects
    from pytest_runloop.emulator.service.run_logs import RunLogs
    from pytest_runloop.emulator.service.scenario_runs import ScenarioRuns
    from pytest_runloop.emulator.service.scenarios import Scenarios
    from pytest_runloop.emulator.service.ssh import SshKeys
    from pytest_runloop.emulator.service.terminals import Terminals
    from pytest_runloop.emulator.service.tunnels import Tunnels

_log = logging.getLogger(__name__)
_OBJECTS = "objects"
"""The directory of objects' contents."""
_LOOK_S = 1.0
"""How long after the start it is first looked at: a start has better things to do."""
_DRAIN_S = 10.0
"""How long the end waits for suspends, snapshots and deletions under way: what they do must not be half done."""


class Emulator:
    """Everything one emulator serves. Make it with ``open``, end it with ``close``.

    Attributes:
        address: Host and port where it answers; whoever serves it sets it before the first request.
    """

    address: tuple[str, int] = ("127.0.0.1", 0)

    def __init__(
        self,
        store: Store,
        machines: Machines,
        membership: Membership,
        bases: Sequence[BaseBlueprint],
        *,
        state: Path,
    ) -> None:
        self._state = state
        self._ends = ExitStack()
        self._store = store
        self._machines = machines
        self._membership = membership
        self._roster = Roster(store)
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
            self._roster, machines, self.blueprints, mounts=lambda: self.mounts, network=lambda: self.network
        )
        self.devboxes = Devboxes(
            self._roster,
            machines,
            self._boot,
            self.secrets,
            self.blueprints,
            mounts=lambda: self.mounts,
            network=lambda: self.network,
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

    @cached_property
    def objects(self) -> Objects:
        """The storage objects."""
        from pytest_runloop.emulator.service.objects import Objects

        objects = Objects(self._store, self._membership, directory=self._state / _OBJECTS)
        self._ends.callback(objects.close)
        return objects

    @cached_property
    def mounts(self) -> Mounts:
        """What puts objects and repositories into devboxes."""
        from pytest_runloop.emulator.service.mounts import Mounts

        return Mounts(lambda: self.objects, agents=lambda: self.agents)

    @cached_property
    def evictions(self) -> Evictions:
        """The announced evictions."""
        from pytest_runloop.emulator.service.evictions import Evictions

        return Evictions(self._roster)

    @cached_property
    def log_tail(self) -> LogTail:
        """The logs of devboxes as they grow."""
        from pytest_runloop.emulator.service.log_tail import LogTail

        return LogTail(self._roster)

    @cached_property
    def ssh_keys(self) -> SshKeys:
        """What makes SSH keys."""
        from pytest_runloop.emulator.service.ssh import SshKeys

        return SshKeys(self._roster)

    @cached_property
    def keys(self) -> Keys:
        """The account and its keys."""
        from pytest_runloop.emulator.service.keys import Keys

        return Keys(self._store)

    @cached_property
    def network(self) -> Network:
        """Network policies and gateways."""
        from pytest_runloop.emulator.service.network import Network

        return Network(self._roster, self.secrets, address=self.address)

    @cached_property
    def tunnels(self) -> Tunnels:
        """The tunnels of devboxes."""
        from pytest_runloop.emulator.service.tunnels import Tunnels

        return Tunnels(self._roster, self.devboxes)

    @cached_property
    def terminals(self) -> Terminals:
        """The terminals in devboxes."""
        from pytest_runloop.emulator.service.terminals import Terminals

        return Terminals(self._roster)

    @cached_property
    def scenarios(self) -> Scenarios:
        """The scenarios and their custom scorers."""
        from pytest_runloop.emulator.service.scenarios import Scenarios

        return Scenarios(self._store)

    @cached_property
    def scenario_runs(self) -> ScenarioRuns:
        """The runs of scenarios."""
        from pytest_runloop.emulator.service.scenario_runs import ScenarioRuns
        from pytest_runloop.emulator.service.scoring import Scoring

        scoring = Scoring(self.executions, self.files, self.scenarios.scorers)
        return ScenarioRuns(self._store, self._roster, self.scenarios, devboxes=self.devboxes, scoring=scoring)

    @cached_property
    def benchmarks(self) -> Benchmarks:
        """The benchmarks."""
        from pytest_runloop.emulator.service.benchmarks import Benchmarks

        return Benchmarks(self._store, self.scenarios)

    @cached_property
    def benchmark_runs(self) -> BenchmarkRuns:
        """The runs of benchmarks."""
        from pytest_runloop.emulator.service.benchmarks import BenchmarkRuns

        return BenchmarkRuns(self._store, self.benchmarks, self.scenario_runs)

    @cached_property
    def run_logs(self) -> RunLogs:
        """The logs of scenario and benchmark runs."""
        from pytest_runloop.emulator.service.run_logs import RunLogs

        return RunLogs(self.logs, self.scenario_runs, self.benchmark_runs)

    @cached_property
    def axons(self) -> Axons:
        """The axons."""
        from pytest_runloop.emulator.service.axons import Axons

        return Axons(self._store, directory=self._state / "axons")

    @cached_property
    def agents(self) -> Agents:
        """The agents."""
        from pytest_runloop.emulator.service.agents import Agents

        return Agents(self._store, lambda: self.objects)

    async def close(self) -> None:
        """End every devbox that runs here and everything that was under way; suspended devboxes stay."""
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
        if (self._state / _OBJECTS).exists():
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
