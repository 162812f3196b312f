"""What a sandbox can't see, reach or do. Each test tries it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_runloop.emulator.machine.account import ROOT, Account
from pytest_runloop.emulator.machine.machine import Machine
from tests.machine.conftest import Lab

AS_ROOT = os.geteuid() == 0


def test_the_hosts_homes_and_work_trees_are_not_there(lab: Lab, tmp_path: Path) -> None:
    _, machine = lab.boot(ROOT)
    paths = [Path.home(), Path.cwd(), tmp_path, Path(__file__)]

    found = [path for path in paths if path != Path("/root") and lab.run(machine, f"test -e {path}").code == 0]

    assert found == []
    assert lab.run(machine, "ls -A /home /root /opt /srv").stdout.split() == [
        *("/home:", "user"), *("/opt:",), *("/root:",), *("/srv:",)
    ]  # fmt: skip


def test_the_hosts_environment_is_not_there(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST_SECRET", "leaked")
    _, machine = lab.boot(ROOT)

    seen = lab.run(machine, "env; cat /proc/*/environ /proc/*/cmdline").stdout

    assert "leaked" not in seen
    assert "exec 2>/dev/null; printf init" in seen
    assert os.fsdecode(Path(__file__).parents[2]) not in seen


def test_the_hosts_processes_are_not_there(lab: Lab) -> None:
    _, machine = lab.boot(ROOT)

    seen = lab.run(machine, "ps -e -o comm=; true").stdout.split()

    assert set(seen) == {"init", "bash", "ps"}


@pytest.mark.parametrize("account", [Account(), ROOT])
@pytest.mark.parametrize("kill", ["pkill sleep", "killall5 -9", "kill -9 1", "kill -9 -1", "pkill -9 'bash|init'"])
def test_nothing_that_is_killed_inside_ends_the_machine(lab: Lab, account: Account, kill: str) -> None:
    _, machine = lab.boot(account)

    lab.run(machine, f"sleep 60 & {kill}; true")

    assert lab.run(machine, "echo on").stdout == "on\n"


def test_orphans_are_reaped(lab: Lab) -> None:
    _, machine = lab.boot(ROOT)
    lab.run(machine, "for i in $(seq 20); do (setsid true &); done")

    left = "for i in $(seq 200); do ps -e -o stat= | grep -q Z || exit 0; sleep 0.05; done; exit 1"

    assert lab.run(machine, left).code == 0


def test_no_process_has_a_descriptor_of_the_emulator(lab: Lab) -> None:
    _, machine = lab.boot(ROOT)

    own, *others = lab.run(machine, "echo /proc/self/fd/*; readlink /proc/[0-9]*/fd/*; true").stdout.splitlines()

    assert own.split() == [f"/proc/self/fd/{number}" for number in range(4)]  # the last one is for looking
    assert [one for one in others if one.startswith(("socket:", "/memfd:"))] == []


def test_people_and_password_hashes_are_not_there(lab: Lab) -> None:
    _, machine = lab.boot(ROOT)

    rows = [line.split(":") for line in lab.run(machine, "cat /etc/passwd").stdout.splitlines()]
    hashes = [line.split(":")[1] for line in lab.run(machine, "cat /etc/shadow").stdout.splitlines()]

    assert [row[0] for row in rows if 1000 <= int(row[2]) < 65534] == ["user"]
    assert set(hashes) == {"*"}


def test_what_others_may_not_read_on_the_host_is_not_in_the_image(lab: Lab) -> None:
    _, machine = lab.boot(ROOT)
    closed = [path for path in Path("/etc").iterdir() if not path.is_symlink() and path.stat().st_mode & 0o004 == 0]
    ours = {"/etc/shadow"}

    seen = [str(path) for path in closed if lab.run(machine, f"test -e {path}").code == 0]

    assert closed
    assert set(seen) <= ours


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_the_hosts_ports_are_out_of_reach(lab: Lab, listening: int) -> None:
    _, machine = lab.boot()

    direct = lab.run(machine, f"exec 3<>/dev/tcp/127.0.0.1/{listening}")
    by_proxy = lab.run(machine, f"curl -sS --noproxy '' -m 5 http://127.0.0.1:{listening}/")
    by_name = lab.run(machine, f"curl -sS --noproxy '' -m 5 http://localhost:{listening}/")

    assert direct.code != 0
    assert "Connection refused" in direct.stderr
    assert "127.0.0.1 is the host itself" in by_proxy.stdout
    assert "localhost is the host itself" in by_name.stdout


def test_abstract_sockets_of_the_host_are_out_of_reach(lab: Lab) -> None:
    _, machine = lab.boot()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(b"\0pytest-runloop-isolation")
        server.listen()

        program = 'import socket; socket.socket(socket.AF_UNIX).connect("\\0pytest-runloop-isolation")'
        ran = lab.run(machine, f"/usr/bin/python3 -c '{program}'")

    assert "ConnectionRefusedError" in ran.stderr


async def _first_page(machine: Machine, word: str) -> bytes:
    server = f"mkdir site && cd site && echo {word} >index.html && exec /usr/bin/python3 -m http.server 8000"
    await machine.run(server, env={})
    connection = await _connected(machine, 8000)
    loop = asyncio.get_running_loop()
    with connection:
        await loop.sock_sendall(connection, b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while data := await loop.sock_recv(connection, 4096):
            answer += data
    return answer.split(b"\r\n\r\n")[1]


async def _connected(machine: Machine, port: int) -> socket.socket:
    while True:
        try:
            return await machine.connect(port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.02)


def test_two_sandboxes_may_listen_on_one_port(lab: Lab) -> None:
    one, other = (lab.boot()[1] for _ in range(2))

    assert lab.do(_first_page(one, "one")) == b"one\n"
    assert lab.do(_first_page(other, "two")) == b"two\n"


@pytest.mark.parametrize("switch", ["kernel/core_pattern", "vm/drop_caches", "kernel/hostname"])
def test_not_even_root_can_turn_the_hosts_switches(lab: Lab, switch: str) -> None:
    _, machine = lab.boot(ROOT)

    assert "ermission denied" in lab.run(machine, f"echo 1 >/proc/sys/{switch}").stderr


def test_a_link_to_a_private_file_opens_the_sandboxes_own(lab: Lab) -> None:
    _, machine = lab.boot(ROOT)
    lab.run(machine, "ln -s /etc/shadow link; ln -s ../../../../../../../../etc/hostname climb")

    for name, command in (("link", "cat /etc/shadow"), ("climb", "cat /etc/hostname")):
        descriptor = lab.do(machine.open_file(name, write=False))
        with os.fdopen(descriptor) as file:
            assert file.read() == lab.run(machine, command).stdout != ""


@pytest.mark.skipif(not AS_ROOT, reason="in an ordinary user's sandbox one id owns both; run the tests as root")
def test_files_are_opened_with_the_accounts_own_rights(lab: Lab) -> None:
    _, machine = lab.boot()

    with pytest.raises(PermissionError):
        lab.do(machine.open_file("/etc/shadow", write=False))
    with pytest.raises(PermissionError):
        lab.do(machine.open_file("/etc/new", write=True))


@pytest.mark.parametrize(
    ("make", "error"), [("mkdir x", IsADirectoryError), ("mkfifo x", OSError), ("true", FileNotFoundError)]
)
def test_only_regular_files_are_opened(lab: Lab, make: str, error: type[OSError]) -> None:
    _, machine = lab.boot()
    lab.run(machine, make)

    with pytest.raises(error):
        lab.do(machine.open_file("x", write=False))


def test_uploads_make_parents_and_truncate(lab: Lab) -> None:
    _, machine = lab.boot()
    for content in (b"a long first content", b"short"):
        descriptor = lab.do(machine.open_file("~/a/b/c.txt", write=True))
        os.write(descriptor, content)
        os.close(descriptor)

    assert lab.run(machine, "cat a/b/c.txt; stat -c ' %U %a' a/b/c.txt").stdout == "short user 644\n"


def test_sudo_gives_root_and_back(lab: Lab) -> None:
    _, machine = lab.boot()

    ran = lab.run(
        machine,
        "sudo id -u; sudo -u root -- sh -c 'id -u; echo $HOME'; A=1 sudo -n sh -c 'echo $A'; sudo -u user id -un",
    )

    assert (ran.stdout, ran.stderr) == ("0\n0\n/root\n1\nuser\n", "")


@pytest.mark.skipif(not AS_ROOT, reason="an ordinary user's sandbox has one uid; run the tests as root")
def test_what_sandbox_root_owns_is_nobodys_on_the_host(lab: Lab) -> None:
    disk, machine = lab.boot(ROOT)
    lab.run(machine, "cp /bin/bash /root/shell && chmod 4755 /root/shell")

    status = (lab.machines.disks.path(disk) / "up/root/root/shell").stat()

    assert status.st_mode & 0o7777 == 0o4755
    assert status.st_uid >= 0x70000000
