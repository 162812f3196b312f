from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pytest_runloop.cache.gate import Gate
from pytest_runloop.cache.lease import NotHad, Waiter, hold, try_hold
from pytest_runloop.errors import ProvisioningError

HOLDERS = Path(__file__).with_name("holders.py")
PROCESSES, ROUNDS = 16, 63
HOLD_FOR_EVER = (
    "import sys, threading\n"
    "from pathlib import Path\n"
    "from pytest_runloop.cache.lease import try_hold\n"
    "held = try_hold(Path(sys.argv[1]))\n"
    "print('held' if held else 'refused', flush=True)\n"
    "threading.Event().wait()\n"
)


def test_sixteen_processes_in_a_thousand_rounds_never_hold_it_together(tmp_path: Path) -> None:
    lock = tmp_path / "lease.lock"
    lock.with_suffix(".count").write_text("0")
    command = [sys.executable, str(HOLDERS), str(lock), str(ROUNDS)]

    processes = [subprocess.Popen(command, env=environment()) for _ in range(PROCESSES)]
    intruders = [process.wait(timeout=120) for process in processes]

    assert intruders == [0] * PROCESSES
    assert lock.with_suffix(".count").read_text() == str(PROCESSES * ROUNDS)


def test_a_killed_holder_frees_it_at_once(tmp_path: Path) -> None:
    lock = tmp_path / "lease.lock"
    command = [sys.executable, "-c", HOLD_FOR_EVER, str(lock)]

    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert try_hold(lock) is None

        holder.send_signal(signal.SIGKILL)
        holder.wait()

    lease = try_hold(lock)
    assert lease is not None
    lease.release()


def test_it_is_not_held_twice_in_one_process(tmp_path: Path) -> None:
    with hold(tmp_path / "lock", Waiter()):
        assert try_hold(tmp_path / "lock") is None

    again = try_hold(tmp_path / "lock")
    assert again is not None
    again.release()


def test_another_thread_may_give_it_up(tmp_path: Path) -> None:
    lease = hold(tmp_path / "lock", Waiter())

    thread = threading.Thread(target=lease.release)
    thread.start()
    thread.join()

    with hold(tmp_path / "lock", Waiter()):
        pass


def test_whoever_waits_says_so_once_and_can_be_stopped(tmp_path: Path) -> None:
    said: list[str] = []
    stop = threading.Event()

    def say() -> None:
        said.append("waiting")
        threading.Timer(0.2, stop.set).start()

    with hold(tmp_path / "lock", Waiter()), pytest.raises(NotHad):
        hold(tmp_path / "lock", Waiter(say, stop=stop))

    assert said == ["waiting"]


def test_a_waiter_gets_it_when_it_is_free(tmp_path: Path) -> None:
    first = hold(tmp_path / "lock", Waiter())
    threading.Timer(0.2, first.release).start()

    with hold(tmp_path / "lock", Waiter()):
        assert try_hold(tmp_path / "lock") is None


def test_a_gate_has_so_many_places_and_no_more(tmp_path: Path) -> None:
    gate, other = Gate(tmp_path / "gate", 2), Gate(tmp_path / "gate", 2)
    places = [gate.enter(), gate.enter()]
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()

    with pytest.raises(NotHad):
        other.enter(stop=stop)

    places[0].leave()
    places[0].leave()
    other.enter().leave()
    places[1].leave()


def test_whoever_waits_at_a_gate_says_so_once(tmp_path: Path) -> None:
    said: list[str] = []
    place = Gate(tmp_path, 1).enter()

    def tell(line: str) -> None:
        said.append(line)
        place.leave()

    Gate(tmp_path, 1, tell).enter().leave()

    assert len(said) == 1
    assert "runloop_max_devboxes" in said[0]


def test_a_process_that_has_every_place_does_not_wait_for_itself(tmp_path: Path) -> None:
    gate = Gate(tmp_path, 2)
    places = [gate.enter(), gate.enter()]

    with pytest.raises(ProvisioningError, match="runloop_max_devboxes allows 2 at once, and all of them are"):
        gate.enter()

    for place in places:
        place.leave()


def environment() -> dict[str, str]:
    """Return what a child process needs to import the package under test."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
