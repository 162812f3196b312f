"""Loopback doors into devboxes: one TCP listener for each port asked for."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.problems import bad_request

if TYPE_CHECKING:
    from pytest_runloop.emulator.service.roster import Roster

_log = logging.getLogger(__name__)
_CHUNK = 64 * 1024
_MAX_PORT = 65_535


class Ports:
    """The listeners of all devboxes. Each stays open, over suspends too, until its devbox is over."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._servers: dict[tuple[str, int], asyncio.Server] = {}
        self._opening = asyncio.Lock()
        self._connections: set[asyncio.Task[None]] = set()

    async def url(self, devbox_id: str, port: int) -> str:
        """Give the URL that leads to a devbox's port, the same each time.

        Raises:
            ApiProblem: 404, or 400 if the devbox isn't running.
        """
        if not 0 < port <= _MAX_PORT:
            raise bad_request(f"port: {port} is not between 1 and {_MAX_PORT}.")
        runtime, _ = self._roster.running(devbox_id)
        async with self._opening:
            server = self._servers.get((devbox_id, port))
            if server is None:
                server = self._servers[devbox_id, port] = await self._listen(devbox_id, port)
                runtime.when_over.append(lambda: self._servers.pop((devbox_id, port)).close())
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Close all listeners and connections."""
        for server in self._servers.values():
            server.close()
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    async def _listen(self, devbox_id: str, port: int) -> asyncio.Server:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - asyncio runs this in a task
            self._connections.add(task)
            try:
                await self._forward(devbox_id, port, reader, writer)
            finally:
                self._connections.discard(task)
                writer.close()

        return await asyncio.start_server(serve, "127.0.0.1", 0)

    async def _forward(
        self, devbox_id: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        runtime = self._roster.held(devbox_id)
        if runtime is None or runtime.machine is None:
            return
        runtime.touch()
        try:
            inner_reader, inner_writer = await asyncio.open_connection(sock=await runtime.machine.connect(port))
        except OSError as error:
            _log.info("nobody answers on port %d of %s: %s", port, devbox_id, error)
            return
        try:
            await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
        finally:
            inner_writer.close()
            runtime.touch()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except ConnectionError:
        writer.close()
