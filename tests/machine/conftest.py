"""Real machines, driven from plain test functions."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pytest_runloop.emulator.machine.account import Account
from pytest_runloop.emulator.machine.machine import Machine
from pytest_runloop.emulator.machine.machines import Limits, Machines
from pytest_runloop.emulator.machine.output import Output
from pytest_runloop.emulator.machine.process import Process

T = TypeVar("T")
DEFAULT_LIMITS = Limits(memory_bytes=1 << 30, pids=512)


@dataclass
class Ran:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


class Lab:
    """Machines on one event loop, with blocking helpers."""

    def __init__(self, loop: asyncio.AbstractEventLoop, machines: Machines) -> None:
        self._loop = loop
        self._names = itertools.count()
        self.machines = machines
        self.deaths: list[str] = []
        self._died = asyncio.Event()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(asyncio.wait_for(work, 60))

    def boot(
        self, account: Account | None = None, *, base: str | None = None, limits: Limits = DEFAULT_LIMITS
    ) -> tuple[str, Machine]:
        disk = f"disk-{next(self._names)}"
        self.do(self.machines.disks.create(disk, base=base))
        return disk, self.reboot(disk, account, limits=limits)

    def reboot(self, disk: str, account: Account | None = None, *, limits: Limits = DEFAULT_LIMITS) -> Machine:
        return self.do(
            self.machines.boot(disk, account=account or Account(), limits=limits, hostname="devbox", on_death=self._die)
        )

    def run(self, machine: Machine, command: str, **environment: str) -> Ran:
        process = self.do(machine.run(command, env=environment))
        return self.finish(process)

    def finish(self, process: Process) -> Ran:
        code = self.do(process.wait())
        return Ran(code, text(process.stdout), text(process.stderr))

    def until(self, machine: Machine, command: str, expected: str) -> None:
        """Run a command until it prints what is expected: for ends that are on their way."""
        deadline = time.monotonic() + 10
        while (seen := self.run(machine, command).stdout) != expected and time.monotonic() < deadline:
            time.sleep(0.02)
        assert seen == expected

    def death(self) -> str:
        self.do(self._died.wait())
        return self.deaths[0]

    def _die(self, reason: str) -> None:
        self.deaths.append(reason)
        self._died.set()


def text(output: Output) -> str:
    return output.read(0, output.size).decode()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    loop = asyncio.new_event_loop()
    machines = loop.run_until_complete(Machines.open(tmp_path / "state"))
    yield Lab(loop, machines)
    loop.run_until_complete(machines.close())
    loop.close()
