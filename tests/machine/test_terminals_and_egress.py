"""Terminals of sandboxes, and what a sandbox's way out can be told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import pytest

from pytest_runloop.emulator.machine.account import ROOT
from pytest_runloop.emulator.machine.egress import PORT, Connection, Outside
from pytest_runloop.emulator.machine.machine import Machine
from pytest_runloop.emulator.machine.machines import Account
from pytest_runloop.emulator.machine.terminal import Terminal
from tests.machine.conftest import DEFAULT_LIMITS, Lab


class Screen:
    """What a terminal shows."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.shown = bytearray()
        self.ended = asyncio.Event()
        self._more = asyncio.Event()
        terminal.start(self._show, self.ended.set)

    async def type(self, text: str) -> None:
        await self.terminal.write(text.encode())

    async def until(self, text: str) -> None:
        while text.encode() not in self.shown:
            self._more.clear()
            await self._more.wait()

    def _show(self, data: bytes) -> None:
        self.shown += data
        self._more.set()


async def opened(machine: Machine, **environment: str) -> Screen:
    return Screen(await machine.terminal(env=environment, cols=100, rows=30))


@pytest.mark.parametrize("account", [Account(), ROOT])
def test_a_terminal_is_its_accounts_own(lab: Lab, account: Account) -> None:
    _, machine = lab.boot(account)

    async def use() -> None:
        screen = await opened(machine, MINE="yes")
        await screen.type("stat -c 'owner %U' $(tty); stty size; echo $MINE''!\n")
        await screen.until("yes!")
        assert b"30 100" in screen.shown
        assert f"owner {account.username}".encode() in screen.shown

    lab.do(use())


def test_jobs_can_be_controlled_in_it(lab: Lab) -> None:
    _, machine = lab.boot()

    async def use() -> None:
        screen = await opened(machine)
        await screen.type("sh -c \"echo go''es; exec sleep 100\"\n")
        await screen.until("goes")
        await screen.type("\x1a")
        await screen.until("Stopped")
        await screen.type("kill -9 %1; wait; echo en''ded\n")
        await screen.until("ended")

    lab.do(use())


def test_its_end_is_told_however_it_comes(lab: Lab) -> None:
    _, machine = lab.boot()

    async def use() -> None:
        by_itself, hung_up, halted = [await opened(machine) for _ in range(3)]
        await by_itself.type("echo la''st; exit\n")
        await by_itself.ended.wait()
        assert b"last" in by_itself.shown
        assert not by_itself.terminal.signal(15)
        hung_up.terminal.hang_up()
        await hung_up.ended.wait()
        await machine.halt()
        await halted.ended.wait()
        await halted.type("nobody reads this")

    lab.do(use())


class Told(Outside):
    """An outside of the test's."""

    def __init__(self, server: asyncio.Server) -> None:
        self.asked: list[object] = []
        self._port: int = server.sockets[0].getsockname()[1]

    async def reach(self, host: str, port: int) -> Connection:
        self.asked.append((host, port))
        if host == "closed.example.com":
            message = "closed to you"
            raise PermissionError(message)
        return await asyncio.open_connection("127.0.0.1", self._port)

    async def ask(self, target: str, fields: Sequence[str]) -> tuple[Connection, str, list[str]]:
        self.asked.append(target)
        connection = await asyncio.open_connection("127.0.0.1", self._port)
        return connection, f"/led{target}", [*fields, "X-Who: you"]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with the request's own head."""
    with contextlib.suppress(asyncio.IncompleteReadError):
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + head)
    writer.close()


def test_the_outside_decides_what_is_reached(lab: Lab) -> None:
    server = lab.do(asyncio.start_server(echo, "127.0.0.1", 0))
    outside = Told(server)
    lab.do(lab.machines.disks.create("d"))
    machine = lab.do(
        lab.machines.boot(
            "d", account=Account(), limits=DEFAULT_LIMITS, hostname="h", on_death=lambda _: None, outside=outside
        )
    )

    opened_ = lab.run(machine, "curl -sS http://open.example.com:81/x?y")
    closed = lab.run(machine, "curl -sS -o /dev/null -w '%{http_code}' http://closed.example.com/")
    tunnelled = lab.run(machine, "curl -sS https://closed.example.com/")
    own = lab.run(machine, f"curl -sS http://127.0.0.1:{PORT}/gate?a=b")

    assert opened_.stdout.startswith("GET /x?y HTTP/1.1")
    assert closed.stdout == "403"
    assert "403" in tunnelled.stderr
    assert own.stdout.startswith("GET /led/gate?a=b HTTP/1.1")
    assert "X-Who: you" in own.stdout
    hosts = [("open.example.com", 81), ("closed.example.com", 80), ("closed.example.com", 443)]
    assert outside.asked == [*hosts, "/gate?a=b"]
    server.close()
