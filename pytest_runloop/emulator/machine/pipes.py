"""Pipes that close with the block that made them, and waiting for what comes out."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os


def pipe(stack: contextlib.ExitStack) -> tuple[io.FileIO, io.FileIO]:
    """Make a pipe whose ends are closed with the stack at the latest."""
    reader, writer = os.pipe()
    return stack.enter_context(io.FileIO(reader, "r")), stack.enter_context(io.FileIO(writer, "w"))


async def read_until(source: io.FileIO, marker: bytes) -> bytes:
    """Read until a marker has come.

    Raises:
        EOFError: The pipe has ended before.
    """
    data = b""
    while marker not in data:
        await _readable(source)
        if not (more := os.read(source.fileno(), 4096)):
            raise EOFError
        data += more
    return data


async def _readable(source: io.FileIO) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(source.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(source.fileno())
