"""An emulator's services on stand-in machines, driven from plain test functions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from pytest_runloop.emulator.domain.blueprints import BASE_BLUEPRINTS, BaseBlueprint
from pytest_runloop.emulator.domain.builds import Blueprint, parse_build
from pytest_runloop.emulator.domain.creation import parse_create
from pytest_runloop.emulator.domain.lifecycle import Status
from pytest_runloop.emulator.domain.records import Devbox
from pytest_runloop.emulator.machine.machines import Machines
from pytest_runloop.emulator.service.emulator import Emulator
from pytest_runloop.emulator.service.execution import Execution
from pytest_runloop.emulator.service.executions import Command
from tests.unit.emulator.fake_machines import FakeMachine, FakeMachines

T = TypeVar("T")
PLAIN = tuple(base for base in BASE_BLUEPRINTS if not base.commands)
"""What commands would make is left out: a stand-in machine would run them right here."""


class Bench:
    """Emulators on one loop and one state directory, with blocking helpers."""

    def __init__(self, state: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.state = state
        self.machines: list[FakeMachines] = []
        self._open: list[Emulator] = []

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(work, 30))

    def call(self, act: Callable[..., T], *args: object, **options: object) -> T:
        """Call something that needs the loop to be running."""

        async def acting() -> T:
            return act(*args, **options)

        return self.do(acting())

    def emulator(self, *, bases: Sequence[BaseBlueprint] = PLAIN, all_ids: bool = True) -> Emulator:
        async def machines() -> Machines:
            self.machines.append(FakeMachines(self.state))
            self.machines[-1].all_ids = all_ids
            return cast("Machines", self.machines[-1])

        self._open.append(self.do(Emulator.open(self.state, machines(), bases=bases)))
        return self._open[-1]

    def close(self, emulator: Emulator) -> None:
        self._open.remove(emulator)
        self.do(emulator.close())

    def lose(self, emulator: Emulator) -> None:
        """Let an emulator die without a word: its file locks go, nothing else happens."""
        self._open.remove(emulator)
        emulator._membership.close()
        emulator._store.close()

    def create(self, emulator: Emulator, **body: object) -> Devbox:
        request = parse_create(body)
        return self.do(emulator.devboxes.create_and_await(request, request_id=""))

    def build(self, emulator: Emulator, **body: object) -> Blueprint:
        return self.built(emulator, self.begin(emulator, **body))

    def begin(self, emulator: Emulator, **body: object) -> Blueprint:
        return self.do(emulator.blueprints.create(parse_build(body), request_id=""))

    def built(self, emulator: Emulator, blueprint: Blueprint) -> Blueprint:
        async def over() -> Blueprint:
            while not (found := await emulator.blueprints.look(blueprint.id)).status.is_over:
                pass
            return found

        return self.do(over())

    def run(self, emulator: Emulator, devbox: Devbox, command: str, *, command_id: str = "") -> Execution:
        return self.do(emulator.executions.run(devbox.id, Command(text=command, command_id=command_id)))

    def machine(self) -> FakeMachine:
        return self.machines[-1].booted[-1]

    def until(self, emulator: Emulator, devbox: Devbox, *statuses: Status) -> Devbox:
        return self.do(emulator.devboxes.wait_for(devbox.id, statuses, timeout_s=10))

    def end(self) -> None:
        for emulator in list(self._open):
            self.close(emulator)
        for machines in self.machines:
            self.do(machines.close())
        self.loop.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "state")
    yield bench
    bench.end()
