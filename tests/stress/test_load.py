"""Many devboxes and commands at once: no error, and a server that doesn't grow with what passes through it.

A tenth of the load in every run of the tests; `tox -e stress` asks for all of it (``PYTEST_RUNLOOP_STRESS``).
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from runloop_api_client import AsyncRunloopSDK
from runloop_api_client.sdk import AsyncDevbox

from pytest_runloop.emulator import launcher

FULL = "PYTEST_RUNLOOP_STRESS" in os.environ
DEVBOXES, COMMANDS = (200, 1000) if FULL else (20, 100)
STARTING_AT_ONCE = 16
MOST_MEMORY_MB = 400


@pytest.fixture
def running(tmp_path: Path) -> Iterator[launcher.Running]:
    running = launcher.launch(tmp_path / "state", tmp_path / "run", owner_pid=os.getpid())
    yield running
    launcher.stop(running)


@asynccontextmanager
async def devboxes(running: launcher.Running, count: int) -> AsyncIterator[list[AsyncDevbox]]:
    gate = asyncio.Semaphore(STARTING_AT_ONCE)
    async with AsyncRunloopSDK(bearer_token=running.api_key, base_url=running.base_url) as sdk:

        async def start() -> AsyncDevbox:
            async with gate:
                return await sdk.devbox.create()

        made = await asyncio.gather(*(start() for _ in range(count)))
        yield made
        await asyncio.gather(*(devbox.shutdown() for devbox in made))


def memory_mb(running: launcher.Running) -> float:
    return float(psutil.Process(running.pid).memory_info().rss) / 1e6


async def answer(devbox: AsyncDevbox, number: int) -> str:
    result = await devbox.cmd.exec(f"echo {number}; sleep 0.2; head -c 20000 /dev/zero | tr '\\0' x")
    return (await result.stdout()).split("\n")[0]


def test_all_commands_are_answered(running: launcher.Running) -> None:
    async def load() -> list[str]:
        async with devboxes(running, DEVBOXES) as made:
            calls = [answer(made[number % DEVBOXES], number) for number in range(COMMANDS)]
            answers = await asyncio.gather(*calls)
            # Twenty kilobytes of output for each command, and none of it stays.
            assert memory_mb(running) < MOST_MEMORY_MB
            return answers

    started = time.perf_counter()
    answers = asyncio.run(load())

    assert answers == [str(number) for number in range(COMMANDS)]
    took = time.perf_counter() - started
    print(f"{DEVBOXES} devboxes, {COMMANDS} commands: {took:.1f} s, server {memory_mb(running):.0f} MB")  # noqa: T201


def test_a_quick_command_beside_busy_devboxes(running: launcher.Running) -> None:
    async def latencies(count: int) -> float:
        async with devboxes(running, count + 1) as made:
            busy = [await devbox.cmd.exec_async("while :; do echo busy; sleep 0.05; done") for devbox in made[1:]]
            taken = []
            for _ in range(20):
                started = time.perf_counter()
                result = await made[0].cmd.exec("echo quick")
                taken.append(time.perf_counter() - started)
                assert await result.stdout() == "quick\n"
            await asyncio.gather(*(execution.kill() for execution in busy))
            return statistics.median(taken) * 1000

    alone, crowded = asyncio.run(latencies(0)), asyncio.run(latencies(DEVBOXES // 4))

    print(f"a quick command: {alone:.1f} ms alone, {crowded:.1f} ms beside {DEVBOXES // 4} busy devboxes")  # noqa: T201
