"""The vendor's TypeScript client, where Node and the npm registry are at hand."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_runloop.emulator import launcher

HERE = Path(__file__).parent
FILES = ("package.json", "contract.test.mjs")
INSTALL_S = 120


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with the suite and the client."""
    if shutil.which("npm") is None:
        pytest.skip("there is no Node.js here")
    directory = tmp_path / "project"
    directory.mkdir()
    for name in FILES:
        shutil.copy(HERE / name, directory)
    install = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
    environment = {**os.environ, "npm_config_cache": str(tmp_path / "npm")}
    done = subprocess.run(
        install, cwd=directory, env=environment, capture_output=True, text=True, timeout=INSTALL_S, check=False
    )
    if done.returncode:
        pytest.skip(f"the client can't be installed from npm: {done.stderr.strip()[-300:]}")
    return directory


@pytest.fixture
def running(tmp_path: Path) -> Iterator[launcher.Running]:
    running = launcher.launch(tmp_path / "state", tmp_path / "run", owner_pid=os.getpid())
    yield running
    launcher.stop(running)


def test_the_typescript_client_can_t_tell(project: Path, running: launcher.Running) -> None:
    environment = {**os.environ, "RUNLOOP_BASE_URL": running.base_url, "RUNLOOP_API_KEY": running.api_key}

    done = subprocess.run(
        ["node", "--test"], cwd=project, env=environment, capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 0, done.stdout
    assert "# fail 0" in done.stdout
