"""Cassettes of the lowest openai-agents on the one installed here, and back.

Needs ``PYTEST_RUNLOOP_LOWEST_PYTHON``: an interpreter with the lowest versions that are supported, and pytest.
"""

from __future__ import annotations

import os
import sys

import pytest

LOWEST = os.environ.get("PYTEST_RUNLOOP_LOWEST_PYTHON", "")
TESTS = """
    import pytest
    from agents.sandbox import Manifest
    from agents.sandbox.entries import Dir, File

    WORKSPACE = Manifest(root="/home/user", entries={"d": Dir(children={"f": File(content=b"x")})})

    def test_files(runloop_sandbox):
        runloop_sandbox.write_text("a", "one")
        assert runloop_sandbox.read_text("a") == "one"
        assert runloop_sandbox.exec("cat a").stdout == "one"

    @pytest.mark.runloop(manifest=WORKSPACE, env_vars={"A": "b"})
    def test_manifest(runloop_sandbox):
        assert runloop_sandbox.exec("cat d/f; echo $A").stdout == "xb\\n"

    @pytest.mark.runloop(setup="echo x > made")
    def test_setup(runloop_sandbox):
        assert runloop_sandbox.read_text("made") == "x\\n"

    @pytest.mark.runloop(setup="echo x > made")
    def test_resume(suspended_snapshot):
        with suspended_snapshot.resume() as sandbox:
            assert sandbox.read_text("made") == "x\\n"
"""


@pytest.mark.skipif(not LOWEST, reason="PYTEST_RUNLOOP_LOWEST_PYTHON is not set")
@pytest.mark.parametrize("order", [(LOWEST, sys.executable), (sys.executable, LOWEST)], ids=["up", "down"])
def test_what_one_version_recorded_replays_on_the_other(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    order: tuple[str, str],
) -> None:
    monkeypatch.setenv("PYTEST_RUNLOOP_STATE", str(tmp_path_factory.mktemp("state")))
    pytester.makepyfile(test_it=TESTS)
    pytester.makeini("[pytest]\n")
    recorder, player = order

    recorded = pytester.run(recorder, "-m", "pytest", "--runloop-target=emulator", "--runloop-record=all")
    monkeypatch.setenv("PYTEST_RUNLOOP_STATE", "/dev/null/nowhere")
    replayed = pytester.run(player, "-m", "pytest", "--runloop-target=replay")

    recorded.assert_outcomes(passed=4)
    replayed.assert_outcomes(passed=4)
