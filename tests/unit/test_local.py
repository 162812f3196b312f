"""The run's directory, and the end of an emulator. Its start is tested in ``tests/plugin/test_emulator.py``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pytest_runloop.errors import TargetError, TeardownError
from pytest_runloop.local import LocalEmulator, Run

# Longer than any process id the system gives out.
NOBODY = 2**22 + 1


@pytest.fixture
def run() -> Run:
    return Run.start()


@pytest.fixture
def ended_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


class TestRun:
    def test_a_worker_joins_its_controller(self, run: Run) -> None:
        assert Run.join(LocalEmulator(run).hand_down()) == run

    def test_a_worker_on_another_computer_is_a_run_of_its_own(self, run: Run) -> None:
        joined = Run.join(run._replace(host="elsewhere")._asdict())

        assert joined.is_owned
        assert joined.id != run.id

    def test_a_worker_whose_controller_can_t_be_seen_is_a_run_of_its_own(self, run: Run, ended_pid: int) -> None:
        assert Run.join(run._replace(owner_pid=ended_pid)._asdict()).is_owned

    def test_two_runs_in_one_process_differ(self) -> None:
        assert Run.start().id != Run.start().id


class TestDirectory:
    def test_a_topic_is_claimed_once_in_a_run(self, run: Run, tmp_path: Path) -> None:
        one, two = (LocalEmulator(run, state=tmp_path) for _ in range(2))

        assert (one.claim("a"), two.claim("a"), two.claim("b")) == (True, False, True)

    def test_only_its_user_can_enter(self, run: Run, tmp_path: Path) -> None:
        LocalEmulator(run, state=tmp_path / "state").claim("a")

        assert (tmp_path / "state" / "runs" / run.id).stat().st_mode & 0o777 == 0o700

    def test_one_that_others_can_enter_is_not_used(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "runs" / run.id).mkdir(parents=True)
        (tmp_path / "runs" / run.id).chmod(0o755)

        with pytest.raises(TargetError, match="is open to other users"):
            LocalEmulator(run, state=tmp_path).endpoint()

    def test_it_goes_with_its_owner_only(self, run: Run, tmp_path: Path) -> None:
        worker = LocalEmulator(run._replace(owner_pid=1), state=tmp_path)
        owner = LocalEmulator(run, state=tmp_path)
        owner.hand_down()
        worker.claim("a")

        worker.close()
        assert (tmp_path / "runs" / run.id).is_dir()
        owner.close()
        assert not (tmp_path / "runs" / run.id).exists()
        owner.close()

    def test_what_killed_runs_left_is_removed_after_an_hour(self, run: Run, tmp_path: Path, ended_pid: int) -> None:
        runs = tmp_path / "runs"
        long_ago = time.time() - 2 * 3600
        for name, age in {f"{ended_pid}-old": long_ago, f"{os.getpid()}-old": long_ago, "mine": long_ago}.items():
            (runs / name).mkdir(parents=True)
            os.utime(runs / name, (age, age))
        (runs / f"{ended_pid}-new").mkdir()

        LocalEmulator(run, state=tmp_path).claim("a")

        left = {path.name for path in runs.iterdir()}
        assert left == {f"{os.getpid()}-old", "mine", f"{ended_pid}-new", run.id}


@contextmanager
def started(preparation: str, directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    code = f"import signal, time; {preparation}; print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, directory], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (directory / "endpoint.json").write_text(json.dumps({"pid": process.pid}))
        yield process
        process.kill()


class TestEnd:
    """A stand-in for an emulator that another process of the run started."""

    @pytest.fixture
    def directory(self, run: Run, tmp_path: Path) -> Path:
        directory = tmp_path / "runs" / run.id
        directory.mkdir(parents=True, mode=0o700)
        return directory

    @pytest.fixture
    def owner(self, run: Run, tmp_path: Path) -> LocalEmulator:
        owner = LocalEmulator(run, state=tmp_path)
        owner.hand_down()
        return owner

    def test_it_is_ended(self, owner: LocalEmulator, directory: Path) -> None:
        with started("pass", directory) as process:
            owner.close()

            assert process.wait(1) == -signal.SIGTERM

    def test_one_that_won_t_end_is_killed_and_reported(
        self, owner: LocalEmulator, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("pytest_runloop.local.STOP_TIMEOUT_S", 0.1)
        with started("signal.signal(signal.SIGTERM, signal.SIG_IGN)", directory) as process:
            with pytest.raises(TeardownError, match=f"process {process.pid}.* was killed"):
                owner.close()

            assert process.wait(1) == -signal.SIGKILL
        assert not directory.exists()

    def test_another_process_with_its_number_is_spared(self, owner: LocalEmulator, directory: Path) -> None:
        with subprocess.Popen(["sleep", "60"]) as bystander:
            (directory / "endpoint.json").write_text(json.dumps({"pid": bystander.pid}))

            owner.close()

            assert bystander.poll() is None
            bystander.kill()

    def test_one_that_has_ended_is_no_trouble(self, owner: LocalEmulator, directory: Path) -> None:
        (directory / "endpoint.json").write_text(json.dumps({"pid": NOBODY}))

        owner.close()

        assert not directory.exists()
