"""Waking those who wait for something to change."""

from __future__ import annotations

import asyncio


class Changes:
    """Waiters by name. Nothing is remembered: look, then wait, then look again."""

    def __init__(self) -> None:
        self._waiters: dict[str, set[asyncio.Future[None]]] = {}

    def notify(self, name: str) -> None:
        """Wake everyone who waits for this name."""
        for waiter in self._waiters.pop(name, ()):
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, name: str, *, timeout_s: float) -> None:
        """Return at the next change of this name, or when the time is up."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(name, set()).add(waiter)
        try:
            await asyncio.wait([waiter], timeout=timeout_s)
        finally:
            waiters = self._waiters.get(name)
            if waiters is not None:
                waiters.discard(waiter)
                if not waiters:
                    del self._waiters[name]
