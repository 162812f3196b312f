"""What a type checker must make of a user's test. Never executed: `tox -e types` reads it.

A line that must be refused carries ``type: ignore`` with its code; mypy reports one that would not be needed.
"""

from __future__ import annotations

from pathlib import Path

from agents import RunConfig
from agents.sandbox import SandboxAgent
from agents.sandbox.session import SandboxSession
from typing_extensions import assert_type

from pytest_runloop import ExecResult, Sandbox, SandboxFactory


def commands(runloop_sandbox: Sandbox) -> None:
    result = runloop_sandbox.exec("sleep 1", timeout=5, cwd="src", env={"A": "1"}, user="root", check=True)

    assert_type(result, ExecResult)
    assert_type(result.stdout, str)
    assert_type(result.stderr, str)
    assert_type(result.exit_code, int)
    assert_type(result.ok, bool)
    assert_type(result.duration_s, float)
    runloop_sandbox.exec(["sleep", "1"])
    runloop_sandbox.exec("sleep 1", 5)  # type: ignore[call-arg]
    runloop_sandbox.exec(1)  # type: ignore[arg-type]
    result.ok = True  # type: ignore[misc]


def files(runloop_sandbox: Sandbox, tmp_path: Path) -> None:
    runloop_sandbox.write_text("a", "text")
    runloop_sandbox.write_bytes("a", b"bytes")
    runloop_sandbox.mkdir("b")
    runloop_sandbox.upload(tmp_path / "local", "there")
    runloop_sandbox.download("there", tmp_path / "local")
    runloop_sandbox.remove("b")
    assert_type(runloop_sandbox.read_text("a"), str)
    assert_type(runloop_sandbox.read_bytes("a"), bytes)
    assert_type(runloop_sandbox.exists("a"), bool)
    assert_type(runloop_sandbox.listdir(), list[str])
    assert_type(runloop_sandbox.archive(), bytes)
    runloop_sandbox.write_text("a", b"bytes")  # type: ignore[arg-type]


def places(runloop_sandbox: Sandbox) -> None:
    assert_type(runloop_sandbox.url(8000), str)
    assert_type(runloop_sandbox.devbox_id, str)
    assert_type(runloop_sandbox.root, str)
    runloop_sandbox.url("8000")  # type: ignore[arg-type]


def agents(runloop_sandbox: Sandbox, agent: SandboxAgent) -> None:
    assert_type(runloop_sandbox.run_config(), RunConfig)
    runloop_sandbox.run_agent(agent, "go")


async def awaited(runloop_sandbox: Sandbox) -> None:
    assert_type(await runloop_sandbox.aio.exec("true"), ExecResult)
    assert_type(await runloop_sandbox.aio.read_text("a"), str)
    assert_type(await runloop_sandbox.aio.url(8000), str)
    assert_type(runloop_sandbox.session, SandboxSession)


def several(runloop_sandbox_factory: SandboxFactory) -> None:
    assert_type(runloop_sandbox_factory(), Sandbox)
    assert_type(runloop_sandbox_factory(user="root", env_vars={"A": "1"}), Sandbox)
    runloop_sandbox_factory(blueprnt="py")  # type: ignore[call-arg]
