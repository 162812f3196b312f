"""Doing a request once, though a client sends it again after a lost answer."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

_REMEMBERED = 4096


class OnceOnly:
    """What earlier requests made, by their keys. Bounded: the oldest are forgotten."""

    def __init__(self) -> None:
        self._made: OrderedDict[tuple[str, ...], asyncio.Future[str]] = OrderedDict()

    async def make(self, key: tuple[str, ...], maker: Callable[[], Awaitable[str]]) -> str:
        """Give the id of what this key made; make it if nothing was.

        A repeat that comes while the first is still at work waits for it. A failure isn't remembered.

        Args:
            key: Kind of request and the client's own key; an empty last part means the client gave none.
            maker: Makes the thing and gives its id.
        """
        if not key[-1]:
            return await maker()
        known = self._made.get(key)
        if known is not None:
            return await asyncio.shield(known)
        return await self._first(key, maker)

    async def _first(self, key: tuple[str, ...], maker: Callable[[], Awaitable[str]]) -> str:
        pending = asyncio.ensure_future(maker())
        self._made[key] = pending
        if len(self._made) > _REMEMBERED:
            self._made.popitem(last=False)
        try:
            return await asyncio.shield(pending)
        except BaseException:
            self._made.pop(key, None)
            raise
