"""Two sandboxes at once over a line of changing latency: whatever came in which order, every recording replays.

Some rounds and hash seeds in every run; twenty seeds and ten rounds with ``PYTEST_RUNLOOP_STRESS``.
"""

from __future__ import annotations

import asyncio
import io
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest
from agents.extensions.sandbox.runloop import RunloopSandboxClient, RunloopSandboxClientOptions
from agents.sandbox import Manifest
from agents.sandbox.entries import File

from pytest_runloop.cassettes.traffic.jobs import Mode
from tests.contract.conftest import Service
from tests.contract.test_recording import Booth

FULL = "PYTEST_RUNLOOP_STRESS" in os.environ
ROUNDS, SEEDS = (10, 20) if FULL else (2, 3)
MOST_JITTER_S = 0.03
PROJECT = Path(__file__).parents[2]


class Line:
    """A TCP proxy that holds each piece of a request for a moment of its own."""

    def __init__(self, base_url: str, *, seed: int) -> None:
        self._there = urlsplit(base_url)
        self._chance = random.Random(seed)  # noqa: S311 - a seed to repeat it with
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._meet, "127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._thread = Thread(target=self._loop.run_forever)
        self._thread.start()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._there.hostname, self._there.port)
        try:
            await asyncio.gather(self._pass(reader, back, late=True), self._pass(there, writer, late=False))
        finally:
            for end in (writer, back):
                end.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, late: bool) -> None:
        while data := await reader.read(65536):
            if late:
                await asyncio.sleep(self._chance.uniform(0, MOST_JITTER_S))
            writer.write(data)
            await writer.drain()
        writer.close()


async def one(client: RunloopSandboxClient, name: str) -> list[object]:
    manifest = Manifest(root="/home/user", entries={f"{number}.txt": File(content=b"same") for number in range(3)})
    # Told apart by name; all the rest of what they ask for is equal.
    session = await client.create(options=RunloopSandboxClientOptions(name=name), manifest=manifest)
    await session.start()
    await session.exec(f"echo {name} > who")
    said = await asyncio.gather(*(session.exec(f"cat who 1.txt; echo {number}") for number in range(3)))
    await session.write(Path("mine"), io.BytesIO(name.encode()))
    read = (await session.read(Path("mine"))).read()
    who = await session.exec("cat who")
    await session.shutdown()
    return [[result.stdout for result in said], read, who.stdout]


async def both(client: RunloopSandboxClient) -> list[list[object]]:
    return list(await asyncio.gather(one(client, "ann"), one(client, "bob")))


@pytest.fixture
def line(emulator: Service, request: pytest.FixtureRequest) -> Iterator[Line]:
    line = Line(emulator.base_url, seed=request.param)
    yield line
    line.close()


@pytest.mark.parametrize("line", range(ROUNDS), indirect=True)
def test_a_jittered_recording_of_two_sandboxes_replays(line: Line, emulator: Service, tmp_path: Path) -> None:
    booth = Booth(Service(line.base_url, emulator.api_key), tmp_path)
    recorded = booth.record(both)
    assert [answers[2] for answers in recorded] == [b"ann\n", b"bob\n"]

    for _ in range(3):
        replayed, job, problems = booth.replay(both)

        assert replayed == recorded
        assert (job.misses, problems) == ([], [])


def test_every_hash_seed_replays_alike(emulator: Service, tmp_path: Path) -> None:
    recorded = Booth(emulator, tmp_path).record(both)
    script = f"from tests.contract import test_recording_jitter as it; it.replayed({str(tmp_path)!r})"

    def replay(seed: int) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(PROJECT)}
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
        return done.stdout or done.stderr

    assert [replay(seed) for seed in range(1, SEEDS + 1)] == [f"{recorded!r} [] []\n"] * SEEDS


def replayed(directory: str) -> None:
    """Print what a replay in this process gives."""
    result, job, problems = Booth(Service("", "key"), Path(directory)).run(both, Mode.REPLAY)
    sys.stdout.write(f"{result!r} {job.misses!r} {problems!r}\n")
