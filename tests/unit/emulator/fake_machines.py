"""A stand-in for the machine room: devboxes are plain directories, commands plain local processes.

It keeps the room's promises about outputs, exit codes, shells and disks, and none about isolation.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from pytest_runloop.emulator.machine.machines import Account, Limits, Outside
from pytest_runloop.emulator.machine.output import Output


class FakeDisks:
    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    async def create(self, disk: str, *, base: str | None = None) -> None:
        if base is None:
            (self._root / disk).mkdir()
        else:
            shutil.copytree(self._root / base, self._root / disk, symlinks=True)

    async def snapshot(self, disk: str, name: str) -> int:
        shutil.copytree(self._root / disk, self._root / name, symlinks=True)
        return sum(path.stat().st_size for path in (self._root / name).rglob("*") if path.is_file())

    async def remove(self, disk: str) -> None:
        shutil.rmtree(self._root / disk, ignore_errors=True)

    def names(self) -> frozenset[str]:
        return frozenset(path.name for path in self._root.iterdir())

    def path(self, disk: str) -> Path:
        return self._root / disk


class FakeProcess:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.stdout = Output()
        self.stderr = Output()
        self.exit_code: int | None = None
        self._process = process
        self._ended = asyncio.ensure_future(self._follow())

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    async def write_stdin(self, data: bytes) -> None:
        if self._process.stdin is None or self.exit_code is not None:
            raise BrokenPipeError
        self._process.stdin.write(data)
        await self._process.stdin.drain()

    def close_stdin(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()

    def signal(self, signum: int, *, group: bool) -> None:
        with contextlib.suppress(ProcessLookupError):
            if group:
                os.killpg(self._process.pid, signum)
            else:
                self._process.send_signal(signum)

    async def _follow(self) -> int:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        copies = [
            asyncio.ensure_future(_copy(self._process.stdout, self.stdout)),
            asyncio.ensure_future(_copy(self._process.stderr, self.stderr)),
        ]
        code = await self._process.wait()
        await asyncio.wait(copies, timeout=0.2)  # background children may hold the pipes
        self.exit_code = code if code >= 0 else 128 - code
        self.stdout.close()
        self.stderr.close()
        return self.exit_code


class FakeShell:
    """Each command is a process; the directory and the environment are carried over in a file."""

    def __init__(self, machine: FakeMachine, env: Mapping[str, str]) -> None:
        self.ended = False
        self._machine = machine
        self._env = dict(env)
        self._state = machine.home / f".fake-shell-{id(self)}"

    async def run(self, command: str) -> FakeProcess:
        script = f"[ -e {self._state} ] && . {self._state}\ntrap 'declare -px > {self._state}' EXIT\n{command}\n"
        return await self._machine.run(script, env=self._env)

    async def close(self) -> None:
        self.ended = True


class FakeMachine:
    def __init__(self, home: Path, account: Account, on_death: Callable[[str], None], *, docker: bool) -> None:
        self.docker = docker
        self.account = account
        self.home = home
        self.die = on_death
        self.halted = False
        self.breaks: OSError | None = None
        self._processes: list[FakeProcess] = []

    async def run(self, command: str, *, env: Mapping[str, str], stdin: bool = False) -> FakeProcess:
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            command,
            cwd=self.home,
            env={"HOME": str(self.home), "USER": self.account.username, "PATH": os.environ["PATH"], **env},
            stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        self._processes.append(FakeProcess(process))
        return self._processes[-1]

    async def shell(self, *, env: Mapping[str, str]) -> FakeShell:
        return FakeShell(self, env)

    async def open_file(self, path: str, *, write: bool) -> int:
        target = self.home / path.removeprefix("~/").lstrip("/")
        if write:
            target.parent.mkdir(parents=True, exist_ok=True)
        return os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC if write else os.O_RDONLY, 0o644)

    async def connect(self, port: int) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setblocking(False)
        return connection

    async def halt(self) -> None:
        if self.breaks is not None:
            raise self.breaks
        self.halted = True
        for process in self._processes:
            process.signal(signal.SIGKILL, group=True)
            await process.wait()


class FakeMachines:
    def __init__(self, state: Path) -> None:
        self.disks = FakeDisks(state / "disks")
        self.booted: list[FakeMachine] = []
        self.all_ids = True

    async def boot(
        self,
        disk: str,
        *,
        account: Account,
        limits: Limits,
        hostname: str,
        on_death: Callable[[str], None],
        docker: bool = False,
        outside: Outside | None = None,
    ) -> FakeMachine:
        del limits, hostname, outside
        home = self.disks.path(disk)
        if not home.is_dir():
            raise FileNotFoundError(home)
        self.booted.append(FakeMachine(home, account, on_death, docker=docker))
        return self.booted[-1]

    async def close(self) -> None:
        for machine in self.booted:
            await machine.halt()


async def _copy(source: asyncio.StreamReader, target: Output) -> None:
    while data := await source.read(65536):
        target.append(data)
