from __future__ import annotations

import asyncio

import pytest
import trio

from pytest_runloop.errors import SandboxError
from pytest_runloop.sandbox.looplocal import LoopLocal, refuse_trio, running_loop


class Client:
    """Know the loop it was made on, and the one it was closed on."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.closed_on: asyncio.AbstractEventLoop | None = None

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.closed_on = asyncio.get_running_loop()


def clients() -> LoopLocal[Client]:
    return LoopLocal(make=Client, close=Client.close)


async def client_of(local: LoopLocal[Client]) -> Client:
    return local.get()


def test_a_loop_has_one_client() -> None:
    local = clients()

    async def twice() -> bool:
        return local.get() is local.get()

    assert asyncio.run(twice())


def test_each_loop_has_its_own_client_closed_by_that_loop() -> None:
    local = clients()

    first, second = asyncio.run(client_of(local)), asyncio.run(client_of(local))

    assert first is not second
    assert (first.closed_on, second.closed_on) == (first.loop, second.loop)


def test_the_client_of_an_idle_loop_is_closed_with_the_set() -> None:
    local = clients()
    loop = asyncio.new_event_loop()
    client = loop.run_until_complete(client_of(local))
    assert not client.closed_on

    local.close()

    assert client.closed_on is loop
    loop.close()


def test_the_client_of_a_loop_that_was_just_closed_is_forgotten() -> None:
    local = clients()
    loop = asyncio.new_event_loop()
    dead = loop.run_until_complete(client_of(local))
    loop.close()

    assert asyncio.run(client_of(local)) is not dead
    local.close()


def test_without_asyncio_the_message_names_the_way_out() -> None:
    with pytest.raises(SandboxError, match="needs asyncio"):
        running_loop()


def test_trio_is_refused() -> None:
    async def on_trio() -> None:
        with pytest.raises(SandboxError, match="needs asyncio"):
            refuse_trio()

    trio.run(on_trio)


def test_no_loop_at_all_is_not_trio() -> None:
    refuse_trio()


def test_asyncio_is_not_trio() -> None:
    async def on_asyncio() -> None:
        refuse_trio()

    asyncio.run(on_asyncio())
