"""Reading what a command has printed: its tail for a view, all of it as a stream."""

from __future__ import annotations

import asyncio
import codecs
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.text import decode, last_lines, whole_start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pytest_runloop.emulator.machine.output import Output
    from pytest_runloop.emulator.service.execution import Execution, StreamName

VIEW_BYTES = 1024 * 1024
"""The most of one stream that a view carries; more is flagged as truncated and can be streamed."""
_CHUNK = 64 * 1024
_HEARTBEAT_S = 10.0


def tail(output: Output | None, *, lines: int) -> tuple[str, bool]:
    """Give the last lines as text, and whether anything before them was cut."""
    if output is None:
        return "", False
    if output.size <= VIEW_BYTES:
        data, cut = last_lines(output.read(0, output.size), lines)
        return decode(data), cut
    data = whole_start(output.read(output.size - VIEW_BYTES, VIEW_BYTES))
    return decode(last_lines(data, lines)[0]), True


def head(output: Output | None, *, limit: int) -> str:
    """Give everything printed as text, up to so many bytes."""
    return "" if output is None else decode(output.read(0, limit))


async def follow(execution: Execution, stream: StreamName, *, offset: int) -> AsyncIterator[tuple[str, int] | None]:
    """Yield text as it is printed, each piece with the byte offset after it, until the command has ended.

    None is yielded now and then while nothing is printed, so that a consumer notices its own client's end. A character
    is never torn; what isn't UTF-8 becomes the replacement character.
    """
    while not await _started(execution):
        yield None
    output = execution.output(stream)
    if output is None:
        return
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        data = output.read(offset, _CHUNK)
        offset += len(data)
        over = offset >= output.size and (output.closed or execution.done.done())
        text = decoder.decode(data, over)
        if text:
            yield text, offset - len(decoder.getstate()[0])
        if over:
            return
        if not data and not await _grown(output, offset):
            yield None


async def _started(execution: Execution) -> bool:
    await asyncio.wait([execution.started], timeout=_HEARTBEAT_S)
    return execution.started.done()


async def _grown(output: Output, offset: int) -> bool:
    waiting = asyncio.ensure_future(output.changed(offset))
    try:
        await asyncio.wait([waiting], timeout=_HEARTBEAT_S)
        return waiting.done()
    finally:
        waiting.cancel()
