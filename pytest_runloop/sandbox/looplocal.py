"""One async client per event loop, each closed on its own loop. Knows nothing of any SDK."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Generic, TypeVar

from pytest_runloop.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

T = TypeVar("T")

NO_ASYNCIO = (
    "the OpenAI Agents SDK needs asyncio, and no asyncio event loop runs here; run this test on asyncio "
    "(with anyio: anyio_backend 'asyncio', not 'trio'), or use the sandbox's synchronous calls"
)


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the running asyncio loop.

    Raises:
        SandboxError: None runs here: the test is on trio, or not asynchronous at all.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError as error:
        raise SandboxError(NO_ASYNCIO) from error


def refuse_trio() -> None:
    """Refuse an event loop of another library than asyncio.

    Raises:
        SandboxError: The caller runs on trio. No event loop at all is fine.
    """
    # Whoever runs on trio has loaded sniffio, as trio needs it; nobody else pays for it here.
    sniffio = sys.modules.get("sniffio")
    if sniffio is None:
        return
    try:
        library = sniffio.current_async_library()
    except sniffio.AsyncLibraryNotFoundError:
        return
    if library != "asyncio":
        raise SandboxError(NO_ASYNCIO)


class LoopLocal(Generic[T]):
    """Hand out one client per running loop, and have each closed by its own loop when that loop ends.

    Nobody tells us that a test's loop is about to end. But asyncio.run and the runners of pytest-asyncio and anyio
    all call ``loop.shutdown_asyncgens()``, so each client is held by an async generator that was started on its loop.
    """

    def __init__(self, *, make: Callable[[], T], close: Callable[[T], Awaitable[object]]) -> None:
        """Make a set without clients; *make* runs on the loop the client will belong to."""
        self._make = make
        self._close = close
        self._held: dict[asyncio.AbstractEventLoop, tuple[T, AsyncGenerator[T, None]]] = {}

    def get(self) -> T:
        """Return the running loop's client, making it at the first call."""
        loop = running_loop()
        held = self._held.get(loop)
        if held is None:
            self._forget_closed_loops()
            keeper = self._keep(loop)
            held = self._held[loop] = (_first_value(keeper), keeper)
        return held[0]

    def close(self) -> None:
        """Close the clients of loops that idle, such as the one ``Runner.run_sync`` leaves open.

        A loop that runs now closes its client at its end.
        """
        for loop, (_, keeper) in list(self._held.items()):
            if not loop.is_closed() and not loop.is_running():
                loop.run_until_complete(keeper.aclose())

    async def _keep(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[T, None]:
        client = self._make()
        try:
            yield client
        finally:
            self._held.pop(loop, None)
            await self._close(client)

    def _forget_closed_loops(self) -> None:
        for loop in list(self._held):
            if loop.is_closed():
                del self._held[loop]


def _first_value(keeper: AsyncGenerator[T, None]) -> T:
    # The generator awaits nothing before its yield, so one step gets there without handing over to the loop;
    # and stepping it here is what registers it with the running loop.
    step = keeper.__anext__()
    try:
        step.send(None)
    except StopIteration as reached:
        value: T = reached.value
        return value
    message = "the client's maker must not await"
    raise RuntimeError(message)
