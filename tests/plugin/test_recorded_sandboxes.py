"""Sandboxes recorded on the emulator and replayed by another process that has no emulator: every fixture and scope."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.plugin.running import run

INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\nanyio_mode = auto\n"
SANDBOXES = """
    import asyncio
    import pytest
    from pytest_runloop import Blueprint

    def test_function(runloop_sandbox, runloop_root_sandbox):
        assert runloop_sandbox.exec("id -u").stdout == "1000\\n"
        assert runloop_root_sandbox.exec("id -u").stdout == "0\\n"

    class TestClass:
        pytestmark = pytest.mark.runloop(scope="class", files={"a": "1"})

        def test_one(self, runloop_sandbox):
            assert runloop_sandbox.read_text("a") == "1"

        def test_two(self, runloop_sandbox):
            runloop_sandbox.write_text("b", "2")

    @pytest.mark.runloop(scope="module", env_vars={"NAME": "value"})
    def test_module(runloop_sandbox):
        assert runloop_sandbox.exec("echo $NAME").stdout == "value\\n"

    @pytest.mark.runloop(scope="session")
    def test_session(runloop_sandbox):
        assert runloop_sandbox.exec("true").ok

    @pytest.mark.asyncio
    async def test_asyncio(runloop_sandbox_factory):
        sandboxes = await asyncio.gather(*(runloop_sandbox_factory.aio() for _ in range(3)))
        for number, sandbox in enumerate(sandboxes):
            await sandbox.aio.write_text("number", str(number))
        assert [await sandbox.aio.read_text("number") for sandbox in sandboxes] == ["0", "1", "2"]

    @pytest.mark.anyio
    async def test_anyio(runloop_sandbox, anyio_backend_name):
        assert anyio_backend_name == "asyncio"
        assert (await runloop_sandbox.aio.exec("true")).ok

    @pytest.fixture
    def anyio_backend():
        return "asyncio"

    @pytest.mark.runloop(setup="echo x > made")
    def test_setup(runloop_sandbox):
        assert runloop_sandbox.read_text("made") == "x\\n"

    @pytest.mark.runloop(setup="echo x > made")
    def test_resume(suspended_snapshot):
        with suspended_snapshot.resume() as sandbox:
            assert sandbox.exists("made")
        with suspended_snapshot.fork() as sandbox:
            assert sandbox.read_text("made") == "x\\n"

    @pytest.mark.runloop(blueprint=Blueprint(setup_commands=("echo built > /home/user/tool",)))
    def test_blueprint(runloop_sandbox):
        assert runloop_sandbox.read_text("tool") == "built\\n"

    @pytest.mark.runloop(exposed_ports=[8000])
    def test_url(runloop_sandbox):
        import urllib.request
        runloop_sandbox.write_text("index.html", "served")
        runloop_sandbox.exec("python3 -m http.server 8000 >/dev/null 2>&1 &")
        with urllib.request.urlopen(runloop_sandbox.url(8000)) as answer:
            assert answer.read() == b"served"
"""
TESTS = 11


@pytest.fixture
def project(emulated_project: pytest.Pytester) -> pytest.Pytester:
    emulated_project.makepyfile(test_it=SANDBOXES)
    return emulated_project


def test_what_was_recorded_on_the_emulator_replays_without_one(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = run(project, "--runloop-target=emulator", "--runloop-record=once")
    recorded.assert_outcomes(passed=TESTS)
    before = {path: path.read_bytes() for path in Path("cassettes").rglob("*") if path.is_file()}
    for again in ("all", "verify"):
        result = run(project, "--runloop-target=emulator", f"--runloop-record={again}")
        result.assert_outcomes(passed=TESTS)
        assert {path: path.read_bytes() for path in Path("cassettes").rglob("*") if path.is_file()} == before
    assert_headers_tell_what_was_asked_for()
    monkeypatch.setenv("PYTEST_RUNLOOP_STATE", "/dev/null/nowhere")

    replayed = run(project, "--runloop-target=replay")
    workers = run(project, "--runloop-target=replay", "-n2")
    alone = run(project, "--runloop-target=replay", "test_it.py::TestClass::test_two", "test_it.py::test_resume")

    replayed.assert_outcomes(passed=TESTS)
    workers.assert_outcomes(passed=TESTS)
    alone.assert_outcomes(passed=2)
    replayed.stdout.fnmatch_lines([f"=* runloop: {TESTS} tests replayed =*"])
    replayed.stdout.no_fnmatch_line("*used by no test*")
    assert {path: path.read_bytes() for path in Path("cassettes").rglob("*") if path.is_file()} == before


def assert_headers_tell_what_was_asked_for() -> None:
    folder = Path("cassettes/test_it")
    keys = {path.stem: spec_key(path) for path in folder.glob("*.json")}
    shared = {path.stem.partition("-")[0]: spec_key(path) for path in folder.glob("shared/*.json")}

    assert re.fullmatch("root-[0-9a-f]{12}, user-[0-9a-f]{12}", keys["test_function"])
    assert keys["TestClass.test_one"] == keys["TestClass.test_two"] == shared["class"]
    assert keys["test_module"] == shared["module"] != shared["class"]
    # Three that are alike, made at once.
    assert keys["test_asyncio"] == keys["test_anyio"]
    assert keys["test_resume"] == keys["test_setup"] != keys["test_anyio"]


def spec_key(path: Path) -> str:
    return str(json.loads(path.read_text())["recorded"]["keys"]["spec"])
