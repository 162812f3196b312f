"""An emulator's start and its end, as whoever launches it sees them."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from pytest_runloop.emulator import launcher
from pytest_runloop.emulator.launcher import LaunchError


def test_trouble_from_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator's own: by a file, or by the environment; a mistake in it is why there is no start."""
    file = tmp_path / "trouble.json"
    file.write_text(json.dumps({"requests": [{"status": 418}]}))
    running = launcher.launch(tmp_path / "state", tmp_path / "run", owner_pid=os.getpid(), trouble=str(file))
    try:
        assert httpx.get(running.base_url + "/v1/secrets").status_code == 418
    finally:
        launcher.stop(running)
    monkeypatch.setenv("PYTEST_RUNLOOP_TROUBLE", '{"boot_s": "long"}')
    with pytest.raises(LaunchError, match="trouble: boot_s: expected a number, got a string"):
        launcher.launch(tmp_path / "state", tmp_path / "run", owner_pid=os.getpid())
    with pytest.raises(LaunchError, match="No such file"):
        launcher.launch(tmp_path / "state", tmp_path / "run", owner_pid=os.getpid(), trouble="nowhere.json")


def test_a_left_over_endpoint_is_nobodys(tmp_path: Path) -> None:
    """The emulator's own: a run directory may be used again, also after a kill."""
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    (run_dir / "endpoint.json").write_text(json.dumps({"base_url": "http://stale", "api_key": "ak_stale"}))

    running = launcher.launch(tmp_path / "state", run_dir, owner_pid=os.getpid())

    launcher.stop(running)
    assert running.base_url != "http://stale"


@pytest.mark.parametrize("version", [1, 2])
def test_open_streams_end_quietly(tmp_path: Path, version: int) -> None:
    """The emulator's own: streams, long polls and axon subscriptions that are open at its end are no failures."""
    running = launcher.launch(tmp_path / "state", tmp_path / "run", owner_pid=os.getpid())
    key = {"Authorization": f"Bearer {running.api_key}"}
    options: dict[str, Any] = {"base_url": running.base_url, "headers": key, "timeout": 30}
    with httpx.Client(**options, http1=version == 1, http2=version == 2) as client:
        devbox = f"/v1/devboxes/{client.post('/v1/devboxes/create_and_await_running', json={}).json()['id']}"
        execution = client.post(f"{devbox}/execute_async", json={"command": "echo begun; sleep 600"}).json()
        axon = client.post("/v1/axons", json={"name": "quiet"}).json()["id"]
        streams = [
            f"{devbox}/executions/{execution['execution_id']}/stream_stdout_updates",
            f"{devbox}/logs/tail",
            "/v1/devboxes/evictions/watch",
            f"/v1/axons/{axon}/subscribe/sse",
        ]
        clients = [httpx.Client(**options, http1=version == 1, http2=version == 2) for _ in streams]
        threads = [_follow(one, path) for one, path in zip(clients, streams, strict=True)]
        threads.append(threading.Thread(target=_poll, args=(client, devbox), daemon=True))
        threads[-1].start()
        time.sleep(1)
        launcher.stop(running)
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()
        for one in clients:
            one.close()

    log = (tmp_path / "run" / "emulator.log").read_text()
    assert "Traceback" not in log, log
    assert "ERROR" not in log, log


def _follow(client: httpx.Client, path: str) -> threading.Thread:
    opened = threading.Event()

    def follow() -> None:
        with (
            contextlib.suppress(httpx.TransportError),  # the emulator has gone, as it should
            client.stream("GET", path) as response,
        ):
            assert response.status_code == 200
            opened.set()
            for _ in response.iter_raw():
                pass

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    assert opened.wait(10), path
    return thread


def _poll(client: httpx.Client, devbox: str) -> None:
    with contextlib.suppress(httpx.TransportError):
        client.post(f"{devbox}/wait_for_status", json={"statuses": ["shutdown"], "timeout_seconds": 25})
