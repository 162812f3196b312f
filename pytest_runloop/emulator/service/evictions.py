"""Announced evictions of devboxes: who is told, and what whoever begins to listen is told first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_runloop.emulator.service.roster import Roster

_HEARTBEAT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Eviction:
    """One announcement.

    Attributes:
        deadline_ms: When the devbox will be suspended.
    """

    devbox_id: str
    deadline_ms: int


class Evictions:
    """The announced evictions of one emulator. Nothing evicts devboxes here but who announces it."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._announced: list[Eviction] = []
        self._listeners: set[asyncio.Queue[Eviction]] = set()

    def announce(self, devbox_id: str, *, deadline_ms: int) -> None:
        """Tell everyone who watches that a devbox will be evicted."""
        eviction = Eviction(devbox_id=devbox_id, deadline_ms=deadline_ms)
        self._announced = [*self._pending(), eviction]
        for listener in self._listeners:
            listener.put_nowait(eviction)

    async def watch(self) -> AsyncIterator[Eviction | None]:
        """Yield the pending evictions and then each further one, without an end.

        None is yielded now and then, so that a consumer notices its own client's end.
        """
        listener: asyncio.Queue[Eviction] = asyncio.Queue()
        self._listeners.add(listener)
        coming = asyncio.ensure_future(listener.get())
        try:
            for eviction in self._pending():
                yield eviction
            while True:
                await asyncio.wait([coming], timeout=_HEARTBEAT_S)
                if not coming.done():
                    yield None
                    continue
                yield coming.result()
                coming = asyncio.ensure_future(listener.get())
        finally:
            self._listeners.discard(listener)
            coming.cancel()

    def _pending(self) -> list[Eviction]:
        return [one for one in self._announced if self._roster.held(one.devbox_id) is not None]
