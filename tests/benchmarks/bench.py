"""What the emulator costs next to bare bubblewrap and nsenter, measured in turn in one run. Prints; judges nothing.

The machine is noisy, so each round measures every subject once, and the table shows medians and their ratio.
"""

from __future__ import annotations

import argparse
import asyncio
import compileall
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[2]))

from agents.extensions.sandbox.runloop import RunloopSandboxClient, RunloopSandboxClientOptions
from runloop_api_client import Runloop

from pytest_runloop.emulator.launcher import Running, launch, stop
from pytest_runloop.provisioning import Provisioner
from pytest_runloop.spec import SandboxSpec
from pytest_runloop.target import Endpoint, Target
from tests.benchmarks import bare

Times = defaultdict[str, list[float]]


@contextlib.contextmanager
def timed(times: Times, name: str) -> Iterator[None]:
    """Append how long the block took, in milliseconds."""
    started = time.perf_counter()
    yield
    times[name].append((time.perf_counter() - started) * 1000)


def emulator(times: Times, state: Path, run_dir: Path) -> None:
    with timed(times, "emulator start"):
        running = launch(state, run_dir, owner_pid=os.getpid())
    with timed(times, "emulator stop"):
        stop(running)


def bare_life(times: Times) -> None:
    with timed(times, "life: bare"), bare.sandbox() as pid:
        bare.run(pid, "true")


def vendor_life(times: Times, client: Runloop) -> None:
    with timed(times, "life: vendor client"):
        devbox = client.devboxes.create_and_await_running()
        client.devboxes.execute_and_await_completion(devbox.id, command="true")
        client.devboxes.shutdown(devbox.id)


async def agents_life(times: Times, client: RunloopSandboxClient) -> None:
    with timed(times, "life: Agents SDK"):
        session = await client.create(options=RunloopSandboxClientOptions())
        async with session:
            await session.exec("true")


def fixture_life(times: Times, provisioner: Provisioner) -> None:
    with timed(times, "life: fixture"), provisioner.provide(SandboxSpec(test="bench")) as sandbox:
        sandbox.exec("true", check=True)


def commands(times: Times, client: Runloop, running: Running, rounds: int) -> None:
    devbox = client.devboxes.create_and_await_running()
    connection = HTTPConnection(urlsplit(running.base_url).netloc)
    headers = {"Authorization": f"Bearer {running.api_key}", "Content-Type": "application/json"}
    with bare.sandbox() as pid, contextlib.closing(connection):
        for _ in range(rounds):
            with timed(times, "exec: bare"):
                bare.run(pid, "true")
            with timed(times, "exec: plain HTTP"):
                connection.request("POST", f"/v1/devboxes/{devbox.id}/execute_sync", b'{"command": "true"}', headers)
                answer = connection.getresponse().read()
            assert json.loads(answer)["exit_status"] == 0, answer
            with timed(times, "exec: vendor client"):
                client.devboxes.execute_and_await_completion(devbox.id, command="true")
    client.devboxes.shutdown(devbox.id)


async def lives(times: Times, running: Running, rounds: int) -> None:
    url, key = running.base_url, running.api_key
    async with RunloopSandboxClient(base_url=url, bearer_token=key) as agents:
        vendor = Runloop(base_url=url, bearer_token=key)
        provisioner = Provisioner(Endpoint(target=Target.EMULATOR, base_url=url, api_key=key))
        vendor_life(Times(list), vendor)
        await agents_life(Times(list), agents)
        fixture_life(Times(list), provisioner)
        for _ in range(rounds):
            bare_life(times)
            vendor_life(times, vendor)
            await agents_life(times, agents)
            fixture_life(times, provisioner)
        provisioner.close()
        commands(times, vendor, running, rounds * 5)
        vendor.close()


def table(times: Times) -> Iterator[str]:
    def median(name: str) -> float:
        return statistics.median(times[name])

    def over(name: str, base: str) -> str:
        return f"{median(name) / median(base):.2f}×, {median(name) - median(base):+.1f} ms"

    yield f"{'':26}{'median':>11}{'best':>11}   {'next to bare':18} goal"
    rows: list[tuple[str, Callable[[], str], str]] = [
        ("life: bare", lambda: "", ""),
        ("life: vendor client", lambda: over("life: vendor client", "life: bare"), "≤ 3×"),
        ("life: fixture", lambda: over("life: fixture", "life: bare"), "≤ 3×"),
        ("life: Agents SDK", lambda: over("life: Agents SDK", "life: bare"), "≤ 3×"),
        ("exec: bare", lambda: "", ""),
        ("exec: plain HTTP", lambda: over("exec: plain HTTP", "exec: bare"), "≤ +5 ms"),
        ("exec: vendor client", lambda: over("exec: vendor client", "exec: bare"), "≤ +5 ms"),
        ("emulator start", lambda: "", "≤ 150 ms"),
        ("emulator stop", lambda: "", "≤ 50 ms"),
    ]
    for name, compare, goal in rows:
        yield f"{name:26}{median(name):8.1f} ms{min(times[name]):8.1f} ms   {compare():18} {goal}".rstrip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    times: Times = Times(list)
    # As pip does when it installs: without it, and with PYTHONDONTWRITEBYTECODE, each emulator would compile it again.
    compileall.compile_dir(Path(__file__).parents[2] / "pytest_runloop", quiet=1)
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        state = Path(directory, "state")
        emulator(Times(list), state, Path(directory, "warm"))
        for number in range(max(rounds // 2, 1)):
            emulator(times, state, Path(directory, str(number)))
        running = launch(state, Path(directory, "run"), owner_pid=os.getpid())
        try:
            asyncio.run(lives(times, running, rounds))
        finally:
            stop(running)
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} CPUs, uid {os.geteuid()}, {rounds} rounds")
    print("life = create, first command, shutdown. The fixtures use the Agents SDK's client as well, and verify the")
    print("end; the session that the Agents SDK starts by itself runs some four commands of its own before.\n")
    print("\n".join(table(times)))


if __name__ == "__main__":
    main()
