"""kill -9 at any moment: what the next emulator finds is as it was, or `failure`, and nothing is left over.

Some rounds in every run of the tests; `tox -e stress` asks for 200 (``PYTEST_RUNLOOP_STRESS``).
"""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from pytest_runloop.emulator import launcher

ROUNDS = int(os.environ.get("PYTEST_RUNLOOP_STRESS", "10"))
LONGEST_LIFE_S = 0.25
GONE_WITHIN_S = 5.0
SETTLED = {"suspended", "shutdown", "failure"}
DEVBOX_PREFIX = "dbx_"


def client(running: launcher.Running) -> httpx.Client:
    key = {"Authorization": f"Bearer {running.api_key}"}
    return httpx.Client(base_url=running.base_url, headers=key, timeout=30)


def live(running: launcher.Running, stop: threading.Event, seed: int) -> None:
    """Do what devboxes are for, until the server dies in the middle of it."""
    chance = random.Random(seed)  # noqa: S311 - a seed to repeat it with
    with suppress(httpx.HTTPError), client(running) as http:
        while not stop.is_set():
            devbox = http.post("/v1/devboxes/create_and_await_running", json={}).json()
            path = f"/v1/devboxes/{devbox['id']}"
            http.post(f"{path}/execute_sync", json={"command": f"echo {devbox['id']} > mine; sync"})
            for verb in chance.sample(["suspend", "snapshot_disk_async", "shutdown"], k=2):
                http.post(f"{path}/{verb}", json={})


def until(happened: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + GONE_WITHIN_S
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def processes_of(state: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            if any(str(state) in word for word in process.cmdline()):
                found.append(process)
    return found


def mounts_of(state: Path) -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(state) in line]


def needed_disks(state: Path) -> set[str]:
    with closing(sqlite3.connect(state / "emulator.sqlite3")) as store:
        rows = store.execute(
            "SELECT id FROM devboxes WHERE status NOT IN ('failure', 'shutdown')"
            " UNION SELECT id FROM snapshots WHERE status IN ('in_progress', 'complete')"
        ).fetchall()
    return {name for (name,) in rows}


def disks(state: Path) -> set[str]:
    return {path.name for path in (state / "disks").iterdir() if path.name.startswith((DEVBOX_PREFIX, "snp_", "."))}


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_nothing_is_half_there_after_a_kill(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - a seed to repeat it with
    # One state for all rounds of a process: what one leaves, the next meets.
    state = tmp_path_factory.getbasetemp() / "killed"
    running = launcher.launch(state, tmp_path / "first", owner_pid=os.getpid())
    stop = threading.Event()
    users = [threading.Thread(target=live, args=(running, stop, seed + n)) for n in range(3)]
    for user in users:
        user.start()

    time.sleep(chance.uniform(0.0, LONGEST_LIFE_S))
    running.process.kill()
    running.process.wait()
    stop.set()
    for user in users:
        user.join()

    assert until(lambda: not processes_of(state)), processes_of(state)
    assert not mounts_of(state)
    running = launcher.launch(state, tmp_path / "second", owner_pid=os.getpid())
    try:
        with client(running) as http:
            listed = http.get("/v1/devboxes", params={"limit": 5000}).json()["devboxes"]
            assert {devbox["status"] for devbox in listed} <= SETTLED
            check_the_kept(http, listed, chance)
        assert until(lambda: disks(state) <= needed_disks(state)), disks(state) - needed_disks(state)
    finally:
        launcher.stop(running)
    assert "Traceback" not in (tmp_path / "second" / "emulator.log").read_text()


def check_the_kept(http: httpx.Client, listed: list[dict[str, str]], chance: random.Random) -> None:
    """A suspended devbox still has what was written before; one of them is enough for a round."""
    suspended = [devbox["id"] for devbox in listed if devbox["status"] == "suspended"]
    if not suspended:
        return
    path = f"/v1/devboxes/{chance.choice(suspended)}"
    http.post(f"{path}/resume", json={})
    answer = http.post(f"{path}/wait_for_status", json={"statuses": ["running", "failure"], "timeout_seconds": 20})
    assert answer.json()["status"] == "running", answer.text
    kept = http.post(f"{path}/execute_sync", json={"command": "cat mine"}).json()
    assert kept["stdout"] == f"{path.rsplit('/', 1)[1]}\n", kept
    http.post(f"{path}/shutdown", json={})
