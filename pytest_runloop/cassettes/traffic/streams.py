"""Bodies of answers that pass through: given out as recorded, or noted while the client reads them. Knows no client.

The transports mix these into the stream classes of the client library at hand.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any, Protocol


class Sink(Protocol):
    """Takes down what is read of an answer. Only the first of ``end`` and ``lose`` counts."""

    def chunk(self, data: bytes) -> None:
        """Note a piece, as it came over the wire."""

    def end(self, *, complete: bool) -> None:
        """Note that nothing more is read; complete: because nothing more came."""

    def lose(self) -> None:
        """Forget it: the connection broke."""


class Played:
    """Give out recorded pieces, to either kind of client.

    Args:
        chunks: The pieces; given out as they are, never copied.
        hold: What an asynchronous client that reads beyond them has to wait for; None: that is the end.
    """

    def __init__(self, chunks: Sequence[bytes], hold: Callable[[], Awaitable[None]] | None = None) -> None:
        self._chunks = chunks
        self._hold = hold

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk
        if self._hold is not None:
            await self._hold()


class Tee:
    """Hand on each piece when it comes, and note it."""

    def __init__(self, inner: Any, sink: Sink) -> None:  # noqa: ANN401 - a stream of whichever library it is
        self._inner = inner
        self._sink = sink

    def __iter__(self) -> Iterator[bytes]:
        try:
            for part in self._inner:
                self._sink.chunk(part)
                yield part
        except Exception:
            self._sink.lose()
            raise
        self._sink.end(complete=True)

    def close(self) -> None:
        try:
            self._inner.close()
        finally:
            self._sink.end(complete=False)


class AsyncTee:
    """The same for asynchronous clients."""

    def __init__(self, inner: Any, sink: Sink) -> None:  # noqa: ANN401 - a stream of whichever library it is
        self._inner = inner
        self._sink = sink

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._inner:
                self._sink.chunk(part)
                yield part
        except Exception:
            self._sink.lose()
            raise
        self._sink.end(complete=True)

    async def aclose(self) -> None:
        try:
            await self._inner.aclose()
        finally:
            self._sink.end(complete=False)
