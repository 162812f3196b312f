import asyncio

import pytest

from pytest_runloop import Sandbox


@pytest.mark.asyncio
@pytest.mark.runloop
async def test_two_commands_at_once(runloop_sandbox: Sandbox) -> None:
    await runloop_sandbox.aio.exec(["mkfifo", "pipe"], check=True)

    # A named pipe blocks its writer until a reader comes, so neither of these ends without the other.
    write, read = await asyncio.gather(
        runloop_sandbox.aio.exec("echo hello > pipe"),
        runloop_sandbox.aio.exec("cat pipe"),
    )

    assert write.ok
    assert read.stdout == "hello\n"
