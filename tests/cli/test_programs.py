"""The programs in examples/programs, which know nothing of pytest, against the emulator as their docstrings say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "examples" / "programs"
NO_SERVER = "Failed to fetch"


def run(program: str, *, state: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pytest_runloop.cli", "emulator", "--state", str(state), "--"]
    argv += [sys.executable, str(PROGRAMS / program)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False, env=environment)


def test_the_first_agent(tmp_path: Path) -> None:
    done = run("basic_runloop_example.py", state=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "12 May" in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="apt needs an emulator that root has started")
def test_a_database_that_is_suspended_and_resumed(tmp_path: Path) -> None:
    done = run("dockerindocker_postgres_example.py", state=tmp_path)

    if NO_SERVER in done.stdout + done.stderr:
        pytest.skip("apt reaches no server from here")
    assert done.returncode == 0, done.stderr
    assert "Ada|1815\nGrace|1906" in done.stdout
    assert "prepared" in done.stdout


def test_a_langchain_deep_agent(tmp_path: Path) -> None:
    pytest.importorskip("langchain_runloop", reason="langchain-runloop is not installed: tox -e langchain has it")

    done = run("langchain_deep_agent.py", state=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "tool: 5050" in done.stdout
