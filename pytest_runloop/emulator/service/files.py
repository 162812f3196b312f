"""Files of a devbox, moved in pieces: no file is ever held in memory as a whole."""

from __future__ import annotations

import asyncio
import os
import stat
import tempfile
from typing import IO, TYPE_CHECKING, TypeVar

from pytest_runloop.emulator.domain.problems import ApiProblem, bad_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from pytest_runloop.emulator.machine.machines import Machine
    from pytest_runloop.emulator.service.roster import Roster

T = TypeVar("T")
_FORBIDDEN = 403
CHUNK = 256 * 1024
"""Bytes moved at once. Below this a file is written or read on the spot; more goes through a thread."""


class Files:
    """Reads and writes files as a devbox's user."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster

    async def write(self, devbox_id: str, path: str, data: bytes) -> None:
        """Write a file whole.

        Raises:
            ApiProblem: 404 or 400 for the devbox, 400 or 403 for the path.
        """
        await write_file(self._machine(devbox_id), path, data)

    async def read(self, devbox_id: str, path: str) -> Download:
        """Open a file for reading. The caller closes it.

        Raises:
            ApiProblem: 404 or 400 for the devbox; 404, 400 or 403 for the path.
        """
        return Download(await _open(self._machine(devbox_id), path, write=False))

    def upload(self, devbox_id: str) -> Upload:
        """Prepare to take a file in. The caller closes it.

        Raises:
            ApiProblem: 404 or 400 for the devbox.
        """
        return Upload(self._machine(devbox_id))

    def _machine(self, devbox_id: str) -> Machine:
        _, machine = self._roster.running(devbox_id)
        return machine


class Download:
    """An open file of a devbox.

    Attributes:
        size: Its bytes; None for a file that doesn't know, as those in /proc.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size = os.fstat(file.fileno()).st_size or None

    def peek(self, limit: int) -> bytes:
        """Give the beginning, which ``chunks`` yields all the same."""
        return os.pread(self._file.fileno(), limit, 0)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the content and close the file. What is appended meanwhile isn't part of it."""
        left = self.size
        try:
            while left is None or left > 0:
                data = await self._read(CHUNK if left is None else min(CHUNK, left))
                if not data:
                    return
                left = None if left is None else left - len(data)
                yield data
        finally:
            self._file.close()

    async def _read(self, limit: int) -> bytes:
        if limit < CHUNK:
            return self._file.read(limit)
        return await _in_thread(self._file.read, limit)


class Upload:
    """A file on its way into a devbox. Its path may become known before or after its content."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._file: IO[bytes] | None = None
        self._placed = False

    async def place(self, path: str) -> None:
        """Say where the file goes."""
        target = await _open(self._machine, path, write=True)
        spooled, self._file, self._placed = self._file, target, True
        if spooled is not None:
            with spooled:
                await _in_thread(_copy, spooled, target)

    async def write(self, data: bytes) -> None:
        """Take in the next piece."""
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close() or place()
        await _write(self._file, data)

    def finish(self) -> None:
        """Say that all has come.

        Raises:
            ApiProblem: 400, if no path came.
        """
        if not self._placed:
            raise bad_request("path: missing; send the form fields 'path' and 'file'.")

    def close(self) -> None:
        """Close the file, finished or not."""
        if self._file is not None:
            self._file.close()


async def write_file(machine: Machine, path: str, data: bytes) -> None:
    """Write a file whole; parent directories are made.

    Raises:
        ApiProblem: 400 or 403 for the path.
    """
    with await _open(machine, path, write=True) as file:
        for piece in _pieces(data):
            await _write(file, piece)


async def write_mount(machine: Machine, path: str, data: bytes) -> None:
    """Write a file that must be there, wherever that is; it belongs to the machine's account.

    Raises:
        ApiProblem: 400 for the path.
    """
    try:
        await write_file(machine, path, data)
    except ApiProblem as problem:
        if problem.status != _FORBIDDEN:
            raise
        from pytest_runloop.emulator.service.mounts import write_as_root

        await write_as_root(machine, path, _each(data))


async def _each(data: bytes) -> AsyncIterator[bytes]:
    for piece in _pieces(data):
        yield piece


async def _open(machine: Machine, path: str, *, write: bool) -> IO[bytes]:
    if not path:
        raise bad_request("path: empty; give the path of a file.")
    try:
        descriptor = await machine.open_file(path, write=write)
    except FileNotFoundError:
        raise ApiProblem(404, f"File {path!r} was not found in the devbox.") from None
    except IsADirectoryError:
        raise bad_request(f"{path!r} is a directory in the devbox; give the path of a file.") from None
    except PermissionError:
        raise ApiProblem(_FORBIDDEN, f"The devbox's user may not {'write' if write else 'read'} {path!r}.") from None
    except (OSError, ValueError) as error:
        raise bad_request(f"{path!r} can't be opened in the devbox: {error}.") from None
    file = os.fdopen(descriptor, "wb" if write else "rb", buffering=0)
    assert stat.S_ISREG(os.fstat(descriptor).st_mode)  # noqa: S101 - open_file's promise
    return file


async def _write(file: IO[bytes], data: bytes) -> None:
    try:
        if len(data) < CHUNK:
            _write_all(file, data)
        else:
            await _in_thread(_write_all, file, data)
    except OSError as error:
        raise bad_request(f"The file can't be written in the devbox: {error.strerror}.") from None


async def _in_thread(act: Callable[..., T], *args: object) -> T:
    """Do something in a thread and, if cancelled, see it through: its file must not be closed under it."""
    work = asyncio.ensure_future(asyncio.to_thread(act, *args))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise


def _write_all(file: IO[bytes], data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    source.seek(0)
    read: Callable[[], bytes] = lambda: source.read(CHUNK)  # noqa: E731 - two-argument iter() wants a callable
    for data in iter(read, b""):
        _write_all(target, data)


def _pieces(data: bytes) -> Iterator[bytes]:
    return (data[start : start + CHUNK] for start in range(0, len(data), CHUNK))
