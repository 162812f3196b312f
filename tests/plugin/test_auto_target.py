"""The target that nobody chose: a test that has a cassette is replayed, the others run for real."""

from __future__ import annotations

import shutil
import sys
import textwrap
from pathlib import Path

import pytest

RECORDED = """
    import os
    import pytest

    @pytest.mark.runloop(files={"a": "1"})
    def test_alone(runloop_sandbox):
        assert os.environ["OPENAI_API_KEY"]
        assert runloop_sandbox.read_text("a") == "1"

    @pytest.mark.runloop(scope="module", setup="echo x > made")
    def test_shared(runloop_sandbox):
        assert runloop_sandbox.read_text("made") == "x\\n"
"""
REAL = """
    @pytest.mark.runloop(scope="module", setup="echo x > made")
    def test_new(runloop_sandbox):
        assert "OPENAI_API_KEY" not in os.environ
        assert runloop_sandbox.exec("cat made; date +%N > made").ok

    def test_plain():
        assert "OPENAI_API_KEY" not in os.environ
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test leaves what it has recorded on the emulator."""
    return tmp_path_factory.mktemp("recorded") / "cassettes"


@pytest.fixture
def project(empty_project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, recorded: Path) -> pytest.Pytester:
    monkeypatch.delenv("RUNLOOP_API_KEY", raising=False)
    empty_project.makepyfile(test_it=RECORDED)
    if not recorded.exists():
        monkeypatch.setenv("OPENAI_API_KEY", "sk-an-openai-key-of-a-test")
        monkeypatch.setenv("PYTEST_RUNLOOP_STATE", str(recorded.parent / "state"))
        run(empty_project, "--runloop-record=all").assert_outcomes(passed=2)
        (empty_project.path / "cassettes").rename(recorded)
    shutil.copytree(recorded, empty_project.path / "cassettes")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    # Whoever starts the emulator from here on leaves a trace.
    monkeypatch.setenv("PYTEST_RUNLOOP_STATE", str(empty_project.path / "state"))
    return empty_project


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments)


def test_tests_with_a_cassette_need_no_sandbox(project: pytest.Pytester) -> None:
    result = run(project)

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*= runloop: 2 tests replayed =*"])
    assert not (project.path / "state").exists()


@pytest.mark.parametrize("arguments", [[], ["-n2"]])
def test_tests_without_run_for_real_beside_them(project: pytest.Pytester, arguments: list[str]) -> None:
    file = project.path / "test_it.py"
    file.write_text(file.read_text() + textwrap.dedent(REAL))

    result = run(project, *arguments)

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*= runloop: 2 sandboxes created (1 forked), 1 prepared, * 2 tests replayed =*"])


def test_a_key_does_not_send_a_recorded_test_to_the_service(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNLOOP_API_KEY", "ak_of_a_test_that_is_never_sent")
    monkeypatch.setenv("RUNLOOP_BASE_URL", "http://127.0.0.1:1")

    run(project).assert_outcomes(passed=2)


def test_a_changed_test_fails_and_says_how_it_is_recorded(project: pytest.Pytester) -> None:
    file = project.path / "test_it.py"
    file.write_text(file.read_text().replace('read_text("a")', 'read_text("b")'))

    result = run(project)

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*pytest --runloop-target=emulator --runloop-record=all test_it.py::test_alone"])


def test_a_target_that_was_chosen_is_taken(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-an-openai-key-of-a-test")

    result = run(project, "--runloop-target=emulator")

    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*replayed*")


def test_who_asks_for_the_endpoint_gets_a_real_one(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-an-openai-key-of-a-test")
    asking = "def test_alone(runloop_sandbox, runloop_endpoint):\n    assert runloop_endpoint.target == 'emulator'"
    file = project.path / "test_it.py"
    file.write_text(file.read_text().replace("def test_alone(runloop_sandbox):", asking))

    result = run(project, "-k", "test_alone")

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*replayed*")


@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_cassettes_of_other_tools_are_left_to_them(empty_project: pytest.Pytester, suffix: str) -> None:
    empty_project.makepyfile(
        test_it="""
        import sys

        def test_alone():
            assert "pytest_runloop.recorded" not in sys.modules
        """
    )
    cassette = empty_project.path / f"cassettes/test_it/test_alone{suffix}"
    cassette.parent.mkdir(parents=True)
    cassette.write_text('{"version": 1, "interactions": []}')

    run(empty_project).assert_outcomes(passed=1)
