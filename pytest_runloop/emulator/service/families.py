"""The services that are made when first asked for: a run pays for nothing that it doesn't use."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_runloop.emulator.domain.trouble import Trouble
    from pytest_runloop.emulator.service.agents import Agents
    from pytest_runloop.emulator.service.axons import Axons
    from pytest_runloop.emulator.service.benchmarks import BenchmarkRuns, Benchmarks
    from pytest_runloop.emulator.service.devboxes import Devboxes
    from pytest_runloop.emulator.service.evictions import Evictions
    from pytest_runloop.emulator.service.executions import Executions
    from pytest_runloop.emulator.service.files import Files
    from pytest_runloop.emulator.service.keys import Keys
    from pytest_runloop.emulator.service.log_tail import LogTail
    from pytest_runloop.emulator.service.logs import Logs
    from pytest_runloop.emulator.service.membership import Membership
    from pytest_runloop.emulator.service.mounts import Mounts
    from pytest_runloop.emulator.service.network import Network
    from pytest_runloop.emulator.service.objects import Objects
    from pytest_runloop.emulator.service.roster import Roster
    from pytest_runloop.emulator.service.run_logs import RunLogs
    from pytest_runloop.emulator.service.scenario_runs import ScenarioRuns
    from pytest_runloop.emulator.service.scenarios import Scenarios
    from pytest_runloop.emulator.service.secrets import Secrets
    from pytest_runloop.emulator.service.ssh import SshKeys
    from pytest_runloop.emulator.service.terminals import Terminals
    from pytest_runloop.emulator.service.trouble import Troubles
    from pytest_runloop.emulator.service.tunnels import Tunnels

OBJECTS = "objects"
"""The directory of objects' contents."""


class Families:
    """An emulator's late services, and what they are made of. Whoever inherits makes what is only declared here.

    Attributes:
        address: Host and port where the emulator answers; whoever serves it sets it before the first request.
        troubles: What goes wrong because somebody wants it to; None while nothing does.
    """

    address: tuple[str, int] = ("127.0.0.1", 0)
    troubles: Troubles | None = None
    secrets: Secrets
    devboxes: Devboxes
    executions: Executions
    files: Files
    logs: Logs

    def __init__(self, roster: Roster, membership: Membership, *, state: Path) -> None:
        self._roster = roster
        self._store = roster.store
        self._membership = membership
        self._state = state
        self._ends = ExitStack()

    def wish(self, trouble: Trouble | None) -> None:
        """Let trouble take the place of what there was."""
        if self.troubles is not None:
            self.troubles.end()
            self.troubles = None
        if trouble is not None:
            from pytest_runloop.emulator.service.trouble import Troubles

            self.troubles = Troubles(trouble, self._roster, self.devboxes, evictions=lambda: self.evictions)

    @cached_property
    def objects(self) -> Objects:
        """The storage objects."""
        from pytest_runloop.emulator.service.objects import Objects

        objects = Objects(self._store, self._membership, directory=self._state / OBJECTS)
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
