"""The whole road: marks and fixtures on the run's own emulator, with real sandboxes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

GONE_WITHIN_S = 5.0
# Reports where the emulator is, and stays until it is killed.
ENDLESS_TEST = """
    import time
    from pathlib import Path

    def test_it(runloop_endpoint, runloop_sandbox):
        assert runloop_sandbox.exec("setsid sleep {marker} >/dev/null 2>&1 &").ok
        Path("address.new").write_text(runloop_endpoint.base_url)
        Path("address.new").rename("address")
        time.sleep(600)
"""


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One place for all: what the emulator prepares there once is not what is tested here."""
    return tmp_path_factory.mktemp("emulator")


@pytest.fixture
def project(
    empty_project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, state: Path, _sdk: None
) -> Iterator[pytest.Pytester]:
    monkeypatch.setenv("PYTEST_RUNLOOP_STATE", str(state))
    yield empty_project
    assert not list((state / "runs").iterdir())


def answers(address: str) -> bool:
    parts = urlsplit(address)
    try:
        socket.create_connection((str(parts.hostname), int(parts.port or 0))).close()
    except ConnectionRefusedError:
        return False
    return True


def runs(*argv: str) -> bool:
    return list(argv) in [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]


def until(happened: Callable[[], bool], *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_a_mark_becomes_a_sandbox(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.runloop(
            files={"hello.txt": "hello"}, env_vars={"NAME": "value"}, setup="mkdir made", metadata={"team": "a"}
        )
        def test_it(runloop_sandbox, runloop_root_sandbox):
            assert runloop_sandbox.exec("cat hello.txt; ls -d made; echo $NAME; id -un; pwd").stdout.split() == [
                "hello" "made", "value", "user", "/home/user",
            ]
            assert runloop_root_sandbox.exec("id -u; pwd").stdout.split() == ["0", "/root"]
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "runloop: target auto (default) -> emulator",
            "*4 sandboxes created (2 forked), 2 prepared, 2 deleted, 2 suspended*",
        ]
    )


def test_a_mistake_that_only_the_sdk_knows_is_one_clear_line(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.runloop(timeouts={"create_s": 0})
        def test_it(runloop_sandbox): ...
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(errors=1)
    result.stdout.re_match_lines([r"test_it\.py::test_it: .*timeouts.*create_s"])
    result.stdout.no_fnmatch_line("*fixtures.py*")
    result.stdout.no_fnmatch_line("*created*")


@pytest.mark.parametrize(
    ("mark", "mode"), [("@pytest.mark.asyncio", "strict"), ("", "auto"), ("@pytest.mark.anyio", "strict")]
)
def test_async_tests_work_under(project: pytest.Pytester, mark: str, mode: str) -> None:
    project.makepyfile(
        f"""
        import asyncio
        import pytest

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        {mark}
        async def test_it(runloop_sandbox, runloop_sandbox_factory):
            other = await runloop_sandbox_factory.aio(user="root")
            one, two = await asyncio.gather(runloop_sandbox.aio.exec("id -u"), other.aio.exec("id -u"))
            assert (one.stdout, two.stdout) == ("1000\\n", "0\\n")
        """
    )

    result = project.runpytest_inprocess(f"--asyncio-mode={mode}")

    result.assert_outcomes(passed=1)


def test_tests_that_share_see_each_other_s_files(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.runloop(scope="module")

        def test_write(runloop_sandbox):
            runloop_sandbox.write_text("note", "kept")

        def test_read(runloop_sandbox):
            assert runloop_sandbox.read_text("note") == "kept"

        @pytest.mark.runloop(scope="function")
        def test_own(runloop_sandbox):
            assert not runloop_sandbox.exists("note")
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=3)


def test_nothing_is_left_running(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from pathlib import Path

        def test_it(runloop_endpoint, runloop_sandbox):
            Path("address").write_text(runloop_endpoint.base_url)
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=1)
    assert not answers(Path("address").read_text())


def test_workers_share_one_emulator_which_ends_with_the_run(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from pathlib import Path

        def test_it(runloop_endpoint, runloop_sandbox, worker_id):
            assert runloop_sandbox.exec("echo hello").stdout == "hello\\n"
            Path(worker_id).write_text(runloop_endpoint.base_url)
        """
    )

    result = project.runpytest_inprocess("-n2", "--dist=each")

    result.assert_outcomes(passed=2)
    assert Path("gw0").read_text() == Path("gw1").read_text()
    assert not answers(Path("gw0").read_text())
    result.stdout.fnmatch_lines(["*2 sandboxes created, 2 deleted*"])


@pytest.mark.parametrize("arguments", [[], ["-n1"]])
def test_a_killed_run_leaves_no_emulator(
    empty_project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str]
) -> None:
    # A place of its own: a killed run can't tidy up.
    monkeypatch.setenv("PYTEST_RUNLOOP_STATE", str(tmp_path / "state"))
    marker = str(time.time_ns())
    empty_project.makepyfile(ENDLESS_TEST.format(marker=marker))

    with subprocess.Popen([sys.executable, "-m", "pytest", *arguments], start_new_session=True) as run:
        try:
            assert until(Path("address").exists, seconds=60)
            address = Path("address").read_text()
            assert answers(address)
            # The command was told to run in the background; its shell may have ended before it became `sleep`.
            assert until(lambda: runs("sleep", marker), seconds=10)

            run.kill()

            assert until(lambda: not answers(address) and not runs("sleep", marker), seconds=GONE_WITHIN_S)
        finally:
            # The worker is an orphan now, and busy with its test.
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)


def test_an_interrupted_run_leaves_nothing(project: pytest.Pytester) -> None:
    marker = str(time.time_ns())
    project.makepyfile(ENDLESS_TEST.format(marker=marker))

    with subprocess.Popen([sys.executable, "-m", "pytest"], stdout=subprocess.PIPE) as run:
        try:
            assert until(Path("address").exists, seconds=60)
            run.send_signal(signal.SIGINT)
            output, _ = run.communicate(timeout=30)
        finally:
            run.kill()

    assert run.returncode == pytest.ExitCode.INTERRUPTED
    assert b"1 sandbox created, 1 deleted" in output
    assert not answers(Path("address").read_text())
    assert not runs("sleep", marker)


def test_an_emulator_that_hangs_is_killed_and_reported(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import json, os, signal
        from pathlib import Path

        def test_it(runloop_endpoint):
            (endpoint,) = Path(os.environ["PYTEST_RUNLOOP_STATE"]).glob("runs/*/endpoint.json")
            os.kill(json.loads(endpoint.read_text())["pid"], signal.SIGSTOP)
            Path("address").write_text(runloop_endpoint.base_url)
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=1)
    result.stderr.fnmatch_lines(["runloop: the emulator (process *) did not end within 5 s and was killed*"])
    assert not answers(Path("address").read_text())


@pytest.mark.parametrize("workers", [0, 2])
def test_an_emulator_that_can_t_start_says_why_once(
    empty_project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workers: int
) -> None:
    monkeypatch.setenv("PYTEST_RUNLOOP_STATE", str(tmp_path))
    (tmp_path / "emulator.sqlite3").mkdir()
    empty_project.makepyfile(
        """
        def test_one(runloop_sandbox): ...
        def test_two(runloop_sandbox): ...
        def test_three(runloop_root_sandbox): ...
        """
    )

    result = empty_project.runpytest_inprocess(f"-n{workers}")

    result.assert_outcomes(errors=3)
    assert len([line for line in result.outlines if "can't be opened as the emulator's store" in line]) == 1
    short = "the emulator target can't be used; the first error of this run says why and what to do"
    assert result.outlines.count(short) == 2
    assert not list((tmp_path / "runs").iterdir())
