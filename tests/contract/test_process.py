"""The emulator as a process: what it leaves, whom it obeys, how it ends."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import psutil
import pytest

from pytest_runloop.emulator import server
from pytest_runloop.emulator.machine.machines import Machines
from tests.unit.emulator.fake_machines import FakeMachines

Start = Callable[..., "Served"]


class Served:
    """An emulator process and a client for it."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.run_dir = directory / "run"
        self.command = [sys.executable, "-m", "pytest_runloop.emulator"]
        self.command += ["--state", str(directory.parent / "state"), "--run-dir", str(self.run_dir), *options]
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def endpoint(self) -> dict[str, Any]:
        deadline = time.monotonic() + 20
        while not (self.run_dir / "endpoint.json").exists():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return cast("dict[str, Any]", json.loads((self.run_dir / "endpoint.json").read_text()))

    def client(self) -> httpx.Client:
        endpoint = self.endpoint()
        key = {"Authorization": f"Bearer {endpoint['api_key']}"}
        return httpx.Client(base_url=endpoint["base_url"], headers=key, timeout=30)

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Served] = []

    def launch(*options: str) -> Served:
        started.append(Served(tmp_path / str(len(started)), *options))
        return started[-1]

    yield launch
    for one in started:
        one.end()


def _create(client: httpx.Client) -> str:
    return str(client.post("/v1/devboxes/create_and_await_running", json={}).raise_for_status().json()["id"])


def _gone(processes: list[psutil.Process], *, within: float) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=within)
    return not alive


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_on_a_signal_with_everything_it_runs(start: Start, signum: int) -> None:
    served = start()
    with served.client() as client:
        devbox = _create(client)
        client.post(f"/v1/devboxes/{devbox}/execute_async", json={"command": "sleep 60"})
    children = served.children()

    served.process.send_signal(signum)

    assert served.process.wait(10) == 0
    assert _gone(children, within=0.5)
    assert not (served.run_dir / "endpoint.json").exists()
    assert "Traceback" not in (served.run_dir / "emulator.log").read_text()


def test_what_ran_is_shut_down_and_what_was_suspended_stays(start: Start) -> None:
    first = start()
    with first.client() as client:
        running, suspended = _create(client), _create(client)
        write = {"file_path": "/tmp/kept", "contents": "kept"}
        client.post(f"/v1/devboxes/{suspended}/write_file_contents", json=write).raise_for_status()
        client.post(f"/v1/devboxes/{suspended}/suspend").raise_for_status()
    first.process.terminate()
    first.process.wait(10)

    with start().client() as client:
        assert client.get(f"/v1/devboxes/{running}").json()["status"] == "shutdown"
        assert client.get(f"/v1/devboxes/{suspended}").json()["status"] == "suspended"
        client.post(f"/v1/devboxes/{suspended}/resume").raise_for_status()
        client.post(f"/v1/devboxes/{suspended}/wait_for_status", json={"statuses": ["running"]}).raise_for_status()
        read = client.post(f"/v1/devboxes/{suspended}/read_file_contents", json={"file_path": "/tmp/kept"})
        assert read.text == "kept"


def test_a_killed_emulator_takes_its_devboxes_along(start: Start) -> None:
    first = start()
    with first.client() as client:
        devbox = _create(client)
        client.post(f"/v1/devboxes/{devbox}/execute_async", json={"command": "sleep 60"})
    children = first.children()

    first.process.kill()
    first.process.wait(10)

    assert children
    assert _gone(children, within=5)
    with start().client() as client:
        assert client.get(f"/v1/devboxes/{devbox}").json()["status"] == "failure"


def test_it_ends_with_its_owner(start: Start) -> None:
    owner = subprocess.Popen(["sleep", "60"])
    served = start("--owner-pid", str(owner.pid))
    served.endpoint()

    owner.kill()
    owner.wait()

    assert served.process.wait(10) == 0


def test_an_owner_that_is_gone_already_ends_it(start: Start) -> None:
    owner = subprocess.Popen(["true"])
    owner.wait()

    assert start("--owner-pid", str(owner.pid)).process.wait(20) == 0


def test_only_its_user_can_read_what_it_leaves(start: Start) -> None:
    served = start()
    served.endpoint()

    assert served.run_dir.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in served.run_dir.iterdir()} == {0o600}


def test_it_listens_on_loopback_only(start: Start) -> None:
    served = start()
    served.endpoint()

    listening = [
        connection.laddr.ip
        for connection in psutil.Process(served.process.pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]

    assert listening == ["127.0.0.1"]


def test_keys_are_random(start: Start) -> None:
    keys = {start().endpoint()["api_key"] for _ in range(2)}

    assert len(keys) == 2
    assert all(key.startswith("ak_") and len(key) > 40 for key in keys)


def test_a_start_that_fails_says_why(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        served = start("--port", str(taken.getsockname()[1]))
        assert served.process.wait(20) == 1

    error = json.loads((served.run_dir / "error.json").read_text())
    assert "in use" in error["message"]
    assert not (served.run_dir / "endpoint.json").exists()


def test_a_long_poll_does_not_hold_the_end_up(start: Start) -> None:
    served = start()
    endpoint = served.endpoint()
    with served.client() as client:
        devbox = _create(client)
        address = httpx.URL(endpoint["base_url"])
        with socket.create_connection((address.host, address.port or 0)) as connection:
            body = b'{"statuses": ["suspended"], "timeout_seconds": 30}'
            head = (
                f"POST /v1/devboxes/{devbox}/wait_for_status HTTP/1.1\r\nHost: x\r\n"
                f"Authorization: Bearer {endpoint['api_key']}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            connection.sendall(head.encode() + body)
            client.get("/v1/devboxes")
            started = time.monotonic()
            served.process.terminate()
            served.process.wait(10)

    assert time.monotonic() - started < 2


def test_serve_answers_inside_this_process(tmp_path: Path) -> None:
    with server.serve(tmp_path, machines=_fake) as address:
        key = {"Authorization": f"Bearer {address.api_key}"}
        devbox = httpx.post(f"{address.base_url}/v1/devboxes/create_and_await_running", json={}, headers=key).json()

    assert devbox["status"] == "running"
    with pytest.raises(httpx.ConnectError):
        httpx.get(address.base_url)


def test_serve_raises_what_its_thread_failed_with(tmp_path: Path) -> None:
    async def broken(state: Path) -> Machines:
        await asyncio.sleep(0)
        raise OSError(errno.ENOSPC, "no machines", str(state))

    with pytest.raises(OSError, match="no machines"), server.serve(tmp_path, machines=broken):
        pytest.fail("it should not have started")


def test_a_failure_in_a_handler_is_told_without_its_insides(tmp_path: Path) -> None:
    with server.serve(tmp_path, machines=_fake) as address:
        (tmp_path / "emulator.sqlite3").chmod(0o600)
        key = {"Authorization": f"Bearer {address.api_key}"}
        _break(tmp_path / "emulator.sqlite3")
        answer = httpx.get(f"{address.base_url}/v1/secrets", headers=key)

    assert answer.status_code == 500
    assert answer.headers["x-should-retry"] == "false"
    assert answer.json()["code"] == "500"
    assert "sqlite" not in answer.text
    assert os.sep not in answer.json()["message"].replace("/v1/secrets", "")


def _break(path: Path) -> None:
    import sqlite3

    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE secrets")
    database.close()


async def _fake(state: Path) -> Machines:
    return cast("Machines", FakeMachines(state))
