"""What a command printed on one stream: complete, readable at any offset while it grows."""

from __future__ import annotations

import asyncio
import tempfile
import weakref

IN_MEMORY = 256 * 1024
"""Bytes kept in memory before an output moves to an unnamed file."""
LIMIT = 1 << 30
"""Bytes kept at all; the rest of an endless output is read and dropped, so that it can't fill the disk."""


class Output:
    """Collect bytes and wake those who wait for more."""

    def __init__(self) -> None:
        self._spool = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - see the next line
        weakref.finalize(self, self._spool.close)  # what was printed stays readable as long as anybody may ask
        self._more: asyncio.Event = asyncio.Event()
        self.size = 0
        self.closed = False

    def append(self, data: bytes) -> None:
        """Add what was printed; ignored once closed."""
        if self.closed:
            return
        data = data[: LIMIT - self.size]
        self._spool.seek(self.size)
        self._spool.write(data)
        self.size += len(data)
        self._wake()

    def close(self) -> None:
        """Say that nothing more will come. What is there stays readable."""
        self.closed = True
        self._wake()

    def read(self, offset: int, limit: int) -> bytes:
        """Give up to ``limit`` bytes from ``offset`` on; empty at the end."""
        self._spool.seek(min(offset, self.size))
        return self._spool.read(limit)

    def tail(self, lines: int) -> tuple[bytes, bool]:
        """Give the last lines, and whether there were earlier ones."""
        start = self._start_of_tail(lines)
        return self.read(start, self.size - start), start > 0

    async def changed(self, offset: int) -> None:
        """Return as soon as there is something behind ``offset``, or nothing more will come."""
        while self.size <= offset and not self.closed:
            await self._more.wait()

    def _start_of_tail(self, lines: int) -> int:
        if lines <= 0:
            return self.size
        end = self.size - 1 if self.size and self.read(self.size - 1, 1) == b"\n" else self.size
        missing = lines
        while end > 0:
            start = max(0, end - IN_MEMORY)
            block = self.read(start, end - start)
            found = block.count(b"\n")
            if found >= missing:
                for _ in range(missing):
                    end = start + block.rindex(b"\n", 0, end - start)
                return end + 1
            missing -= found
            end = start
        return 0

    def _wake(self) -> None:
        # Everyone who waits looks again; who comes later waits on a fresh event.
        self._more.set()
        self._more = asyncio.Event()
