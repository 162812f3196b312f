"""Sandboxes in a test's hands: for ``with``, ``async with`` and ``await``. Knows no SDK."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Protocol

from pytest_runloop.errors import SandboxError
from pytest_runloop.sandbox.looplocal import running_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType

    from pytest_runloop.sandbox.handle import Sandbox


class Opening(Protocol):
    """A way to get a sandbox, and to give it back."""

    def open(self, *, stop: threading.Event) -> Sandbox:
        """Return the sandbox; *stop* is set from another thread to give up waiting."""

    def close(self, *, raised: bool) -> None:
        """Take it back; *raised* says whether whoever had it failed."""


class Lent:
    """A sandbox to be had once.

    ``with`` and ``async with`` give it back at their end. What ``await`` gives is given back by whoever closes the
    prepared sandbox it came from: the fixture, at the end of its test.
    """

    def __init__(self, opening: Opening, *, keep: Callable[[Lent], object], lend: Callable[[Sandbox], object]) -> None:
        """Make a loan; nothing is done yet.

        Args:
            opening: Gets the sandbox.
            keep: Called with this when it was awaited, so that somebody ends it.
            lend: Called with each sandbox that is handed out.
        """
        self._opening = opening
        self._keep = keep
        self._lend = lend
        self._used = False
        self._had = False
        self._over = False

    @property
    def is_open(self) -> bool:
        """Whether somebody has the sandbox, or is about to."""
        return self._used and not self._over

    def open(self, *, stop: threading.Event | None = None) -> Sandbox:
        """Return the sandbox.

        Raises:
            SandboxError: It was had before.
        """
        if self._used:
            message = "this sandbox was handed out before; call fork() or resume() again for another"
            raise SandboxError(message)
        self._used = True
        try:
            sandbox = self._opening.open(stop=stop or threading.Event())
        except BaseException:
            self._over = True
            raise
        self._had = True
        self._lend(sandbox)
        return sandbox

    def close(self, *, raised: bool = False) -> None:
        """Give the sandbox back. Idempotent.

        Args:
            raised: Whether whoever had it failed.
        """
        if self._had and not self._over:
            self._over = True
            self._opening.close(raised=raised)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            msg = f"nothing is here yet, so no {name!r}: 'with suspended_snapshot.fork() as sandbox:' gives a sandbox"
            raise AttributeError(msg)

    def __enter__(self) -> Sandbox:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(raised=kind is not None)

    async def __aenter__(self) -> Sandbox:
        running_loop()
        stop = threading.Event()
        # In a thread, because it waits for file locks; an event loop has other things to do.
        work = asyncio.ensure_future(asyncio.to_thread(self.open, stop=stop))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            stop.set()
            await asyncio.wait([work])
            if not work.cancelled() and work.exception() is None:
                await asyncio.to_thread(self.close, raised=True)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        work = asyncio.ensure_future(asyncio.to_thread(self.close, raised=kind is not None))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait([work])
            raise

    def __await__(self) -> Generator[Any, None, Sandbox]:
        return self._kept().__await__()

    async def _kept(self) -> Sandbox:
        sandbox = await self.__aenter__()
        self._keep(self)
        return sandbox
