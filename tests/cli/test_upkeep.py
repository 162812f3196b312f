"""``pytest-runloop emulator du`` and ``reset``, on what a real emulator has left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from runloop_api_client import RunloopSDK

from pytest_runloop.emulator import launcher

ROOT = Path(__file__).parents[2]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pytest_runloop.cli", "emulator", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env=environment)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def leave_a_suspended_devbox(running: launcher.Running) -> str:
    with RunloopSDK(bearer_token=running.api_key, base_url=running.base_url) as sdk:
        devbox = sdk.devbox.create(name="kept")
        # A directory that is closed to everybody, its owner included.
        devbox.cmd.exec("head -c 3000000 /dev/urandom > big; mkdir closed; touch closed/file; chmod 000 closed")
        devbox.suspend()
        devbox.await_suspended()
        return devbox.id


def test_du_tells_what_is_kept_and_reset_deletes_it(state: Path, tmp_path: Path) -> None:
    running = launcher.launch(state, tmp_path / "run", owner_pid=os.getpid())
    try:
        devbox_id = leave_a_suspended_devbox(running)
        refused = command("reset", "--state", str(state))
    finally:
        launcher.stop(running)

    listed = command("du", "--state", str(state))
    done = command("reset", "--state", str(state))

    assert refused.returncode == 1
    assert "is used by 1 running emulator" in refused.stderr
    (line,) = [line for line in listed.stdout.splitlines() if line.startswith(devbox_id)]
    assert "devbox kept" in line
    assert "suspended" in line
    assert "3.0 MB" in line
    assert done.returncode == 0, done.stderr
    assert "freed" in done.stdout
    assert [path.name for path in state.iterdir()] == ["start.lock"]


def test_an_emulator_starts_again_after_a_reset(state: Path, tmp_path: Path) -> None:
    launcher.stop(launcher.launch(state, tmp_path / "first", owner_pid=os.getpid()))

    assert command("reset", "--state", str(state)).returncode == 0

    launcher.stop(launcher.launch(state, tmp_path / "second", owner_pid=os.getpid()))


def test_there_may_be_nothing(state: Path) -> None:
    assert command("du", "--state", str(state)).returncode == 0
    assert command("reset", "--state", str(state)).returncode == 0
    assert not state.exists()
