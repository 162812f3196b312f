"""HTTP/2 from the first byte, as the vendor's TypeScript client speaks it to an address without TLS."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from pytest_runloop.emulator import launcher
from tests.contract.conftest import Service

SIZE = 20 * 1024 * 1024
DATA_FOR_NOBODY = bytes(9)
"""A frame of data for stream 0, which no stream may have."""


@pytest.fixture
def key(emulator: Service) -> dict[str, str]:
    return {"Authorization": f"Bearer {emulator.api_key}"}


@pytest.fixture
def http2(emulator: Service, key: dict[str, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=emulator.base_url, headers=key, timeout=60, http1=False, http2=True) as client:
        yield client


@pytest.fixture
def path(http2: httpx.Client) -> Iterator[str]:
    made = http2.post("/v1/devboxes/create_and_await_running", json={})
    assert made.http_version == "HTTP/2"
    path = f"/v1/devboxes/{made.json()['id']}"
    yield path
    http2.post(f"{path}/shutdown")


def test_an_answer_is_that_of_http_1(http2: httpx.Client, http: httpx.Client, path: str) -> None:
    assert http2.get(path).json() == http.get(path).json()
    assert http2.get("/v1/devboxes/nothing").status_code == 404
    assert http2.get("/v1/devboxes", headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_large_bodies_go_both_ways(http2: httpx.Client, path: str) -> None:
    content = os.urandom(SIZE)

    sent = http2.post(f"{path}/upload_file", data={"path": "large"}, files={"file": content})
    received = http2.post(f"{path}/download_file", json={"path": "large"})

    assert sent.status_code == 200
    assert received.content == content


def test_many_requests_share_a_connection(emulator: Service, key: dict[str, str], path: str) -> None:
    async def ask() -> list[str]:
        limits = httpx.Limits(max_connections=1)
        async with httpx.AsyncClient(
            base_url=emulator.base_url, headers=key, timeout=60, http1=False, http2=True, limits=limits
        ) as client:
            command = f"{path}/execute_sync"
            calls = [client.post(command, json={"command": f"sleep 0.2; echo {n}"}) for n in range(40)]
            return [answer.json()["stdout"] for answer in await asyncio.gather(*calls)]

    assert asyncio.run(ask()) == [f"{n}\n" for n in range(40)]


def test_events_come_while_the_command_runs(http2: httpx.Client, path: str) -> None:
    started = http2.post(
        f"{path}/execute_async", json={"command": "echo one; read line; echo $line", "attach_stdin": True}
    )
    execution = f"{path}/executions/{started.json()['execution_id']}"

    with http2.stream("GET", f"{execution}/stream_stdout_updates") as stream:
        lines = stream.iter_lines()
        assert "one" in next(line for line in lines if line.startswith("data:"))
        http2.post(f"{execution}/send_std_in", json={"text": "two\n"})
        assert "two" in next(line for line in lines if line.startswith("data:"))


def test_a_client_that_leaves_disturbs_nobody(
    emulator: Service, key: dict[str, str], http2: httpx.Client, path: str
) -> None:
    @asynccontextmanager
    async def client() -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient(
            base_url=emulator.base_url, headers=key, timeout=60, http1=False, http2=True
        ) as made:
            yield made

    async def leave() -> None:
        async with client() as one:
            body = {"statuses": ["suspended"], "timeout_seconds": 20}
            waiting = asyncio.create_task(one.post(f"{path}/wait_for_status", json=body))
            await one.get(path)
            waiting.cancel()
            assert (await one.get(path)).status_code == 200

    asyncio.run(leave())

    assert http2.get(path).status_code == 200


def test_a_broken_frame_closes_that_connection_only(emulator: Service, http2: httpx.Client, path: str) -> None:
    async def break_it() -> bytes:
        port = int(emulator.base_url.rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + DATA_FOR_NOBODY)
        rest = await reader.read()
        writer.close()
        await writer.wait_closed()
        return rest

    asyncio.run(asyncio.wait_for(break_it(), 10))

    assert http2.get(path).status_code == 200


def test_the_server_ends_with_connections_open(tmp_path: Path) -> None:
    running = launcher.launch(tmp_path / "state", tmp_path / "run", owner_pid=os.getpid())
    with httpx.Client(base_url=running.base_url, http1=False, http2=True) as client:
        assert client.get("/v1/devboxes").status_code == 401

        launcher.stop(running, timeout=5)

    assert "Traceback" not in (tmp_path / "run" / "emulator.log").read_text()
