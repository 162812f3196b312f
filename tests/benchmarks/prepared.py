"""What a prepared sandbox saves: PostgreSQL by apt, cold against forked and resumed; disks of two sizes; many forks.

Prints; judges nothing. Needs root and Debian's packages, for apt-get inside the sandboxes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from pytest_runloop.emulator.launcher import Running, launch, stop
from pytest_runloop.preparation import Preparations, SuspendedSnapshot
from pytest_runloop.provisioning import Provisioner
from pytest_runloop.sandbox.handle import Sandbox
from pytest_runloop.spec import SandboxSpec
from pytest_runloop.target import Endpoint, Target
from tests.contract.counting import counting

POSTGRES = (
    "apt-get update -qq",
    # A host that has it shows its programs, though not its data.
    "DEBIAN_FRONTEND=noninteractive apt-get install -qq --reinstall -y postgresql postgresql-common >/dev/null",
    "pg_lsclusters -h | grep -q . || pg_createcluster $(ls /usr/lib/postgresql | tail -1) main",
)
MANY, WORKERS = 100, 4


class Bench:
    """Preparations of one owner, each time as a new run of a new process would have them."""

    def __init__(self, running: Running, directory: Path) -> None:
        self._running = running
        self._directory = directory
        self._owner = uuid.uuid4().hex
        self.times: defaultdict[str, list[float]] = defaultdict(list)

    @contextmanager
    def run(self, base_url: str = "") -> Iterator[Preparations]:
        url = base_url or self._running.base_url
        provisioner = Provisioner(Endpoint(target=Target.EMULATOR, base_url=url, api_key=self._running.api_key))
        preparations = Preparations(provisioner, cache_dir=self._directory, owner=self._owner, max_age_s=3600)
        yield preparations
        preparations.close()
        provisioner.close()

    def timed(self, name: str, action: Callable[[], object]) -> None:
        started = time.perf_counter()
        action()
        self.times[name].append((time.perf_counter() - started) * 1000)

    def median(self, name: str) -> float:
        return statistics.median(self.times[name])


def use(sandbox: Sandbox) -> None:
    sandbox.exec("true", check=True)


def forked(snapshot: SuspendedSnapshot) -> None:
    with snapshot.fork() as sandbox:
        use(sandbox)


def resumed(snapshot: SuspendedSnapshot) -> None:
    with snapshot.resume() as sandbox:
        use(sandbox)


def postgres(bench: Bench, rounds: int) -> None:
    spec = SandboxSpec(test="bench", user="root", setup=POSTGRES)
    with bench.run() as preparations:
        bench.timed("cold: PostgreSQL prepared", lambda: preparations.prepared(spec))
        snapshot = preparations.prepared(spec)
        for _ in range(rounds):
            bench.timed("fork", lambda: forked(snapshot))
            bench.timed("resume", lambda: resumed(snapshot))


def sizes(bench: Bench, rounds: int) -> None:
    with bench.run() as preparations:
        snapshots = {
            name: preparations.prepared(SandboxSpec(test="bench", setup=(f"head -c {size} /dev/urandom >f",)))
            for name, size in (("fork, 10 MB disk", "10M"), ("fork, 2 GB disk", "2G"))
        }
        for _ in range(rounds):
            for name, snapshot in snapshots.items():
                bench.timed(name, lambda snapshot=snapshot: forked(snapshot))  # type: ignore[misc]


def many(bench: Bench, running: Running) -> Iterator[str]:
    spec = SandboxSpec(test="bench", setup=("echo prepared >f",))
    with bench.run() as preparations:
        preparations.prepared(spec)
    with counting(running.base_url) as counter, bench.run(counter.base_url) as preparations:
        preparations.prepared(spec)
        yield f"requests of a run that finds what it wants prepared: {len(counter.lines)} to find it"
        before = len(counter.lines)
        forked(preparations.prepared(spec))
        yield f"requests of a test that forks and runs one command: {len(counter.lines) - before}"
    with bench.run() as preparations, ThreadPoolExecutor(WORKERS) as workers:
        snapshot = preparations.prepared(spec)
        started = time.perf_counter()
        list(workers.map(lambda _: forked(snapshot), range(MANY)))
        yield f"{MANY} forks by {WORKERS} workers: {(time.perf_counter() - started) / MANY * 1000:.1f} ms a test"
        before_bytes = memory(running.pid)
        lent = [snapshot.fork() for _ in range(20)]
        for one in lent:
            one.__enter__()
        yield f"memory of a forked sandbox at rest: {(memory(running.pid) - before_bytes) / len(lent) / 1e6:.1f} MB"
        for one in lent:
            one.__exit__(None, None, None)


def memory(pid: int) -> int:
    """Sum what the emulator and all its sandboxes use, shared pages split."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(process.memory_full_info().pss for process in family)


def table(bench: Bench) -> Iterator[str]:
    for name in bench.times:
        yield f"{name:28}{bench.median(name):10.1f} ms"
    cold = bench.median("cold: PostgreSQL prepared")
    yield f"cold against fork:   {cold / bench.median('fork'):.0f}× (goal ≥ 20×)"
    yield f"cold against resume: {cold / bench.median('resume'):.0f}× (goal ≥ 20×)"
    yield f"2 GB against 10 MB:  {bench.median('fork, 2 GB disk') / bench.median('fork, 10 MB disk'):.2f}× (goal 1)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    if os.geteuid() != 0:
        print("prepared: skipped, for apt-get in a sandbox needs an emulator that root has started")
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        running = launch(Path(directory, "state"), Path(directory, "run"), owner_pid=os.getpid())
        try:
            bench = Bench(running, Path(directory, "cache"))
            postgres(bench, rounds)
            sizes(bench, rounds)
            lines = list(many(bench, running))
        finally:
            stop(running)
    print("\n".join([*table(bench), *lines]))


if __name__ == "__main__":
    main()
