"""What the plugin loads in a run that wants nothing of it: looked up in ``sys.modules``, not timed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = frozenset(
    {
        "agents",
        "filelock",
        "httpx",
        "httpx2",
        "openai",
        "pydantic",
        "runloop_api_client",
        "starlette",
        "uvicorn",
        "vcr",
    }
)
# A second plugin, loaded after everything: it reports what is there when pytest has finished.
WITNESS = """
import json, pathlib, sys

def pytest_unconfigure(config):
    pathlib.Path("loaded.json").write_text(json.dumps(sorted(sys.modules)))
"""
MARKED = """
import pytest
from pytest_runloop import Sandbox

@pytest.mark.runloop(blueprint="py", scope="module")
def test_marked(runloop_sandbox: Sandbox) -> None: ...

@pytest.mark.runloop
def test_root(runloop_root_sandbox, runloop_sandbox_factory): ...
"""


def loaded(*arguments: str, at: Path) -> frozenset[str]:
    """Run pytest with our plugin and a witness only, and return the names of the loaded modules."""
    (at / "witness.py").write_text(WITNESS)
    environment = {
        **{name: value for name, value in os.environ.items() if "RUNLOOP" not in name},
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": os.pathsep.join([str(at), str(Path(__file__).parents[2])]),
    }
    command = [sys.executable, "-m", "pytest", "-p", "pytest_runloop.plugin", "-p", "witness", "-q", *arguments]
    done = subprocess.run(command, cwd=at, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return frozenset(json.loads((at / "loaded.json").read_text()))


def test_the_public_names_can_be_imported_without_any_heavy_package(tmp_path: Path) -> None:
    program = (
        "import json, sys, pytest_runloop\n"
        "for name in pytest_runloop.__all__: getattr(pytest_runloop, name)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)

    assert HEAVY & set(json.loads(done.stdout)) == set()


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--help"], id="help"),
        pytest.param(["--fixtures"], id="fixtures"),
        pytest.param(["--markers"], id="markers"),
        pytest.param(["--collect-only"], id="collect-only"),
    ],
)
def test_looking_around_loads_no_heavy_package(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "test_it.py").write_text(MARKED)

    assert HEAVY & loaded(*arguments, at=tmp_path) == set()


def test_unmarked_tests_load_no_heavy_package(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_plain(tmp_path): ...")

    modules = loaded(at=tmp_path)

    assert HEAVY & modules == set()
    assert "pytest_runloop.plugin" in modules


def test_a_failing_target_loads_no_sdk(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(MARKED.replace("def test_", "@pytest.mark.xfail(strict=True)\ndef test_"))

    modules = loaded("--runloop-target=live", at=tmp_path)

    assert {"agents", "openai", "runloop_api_client"} & modules == set()
