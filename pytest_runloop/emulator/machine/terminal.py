"""A terminal in a sandbox, seen from the server: the side where a person sits."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import struct
import termios
from collections.abc import Callable

from pytest_runloop.emulator.machine.process import Signal

_CHUNK = 1 << 16


class Terminal:
    """A pseudo terminal whose other side is the terminal of a shell in a sandbox. `Machine.terminal` makes it."""

    def __init__(self, descriptor: int, *, send_signal: Signal, size: tuple[int, int]) -> None:
        """Take the near side, which is closed when the shell has ended; ``size`` is in columns and rows."""
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._send_signal = send_signal
        self._loop = asyncio.get_running_loop()
        self._show: Callable[[bytes], None] = lambda _: None
        self._ended: Callable[[], None] = lambda: None
        self._over = False
        self._reading = False
        self._typing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self.resize(*size)

    def start(self, show: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        """Begin to read: ``show`` gets what the terminal shows, ``ended`` is called once at the shell's end."""
        self._show, self._ended = show, ended
        if self._over:
            ended()
        else:
            self.read_on()

    def read_on(self) -> None:
        """Read again."""
        if not self._over and not self._reading:
            self._reading = True
            self._loop.add_reader(self._descriptor, self._read)

    def read_no_more(self) -> None:
        """Let programs wait until somebody looks: who prints more than a terminal holds blocks."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._descriptor)

    async def write(self, data: bytes) -> None:
        """Type, as fast as it is read; nothing if the shell has ended."""
        async with self._typing:
            while data and not self._over:
                try:
                    data = data[os.write(self._descriptor, data) :]
                except BlockingIOError:
                    # Not by waiting until it can be written to: a terminal in line mode is never full for poll(2).
                    await asyncio.sleep(_FULL_S)
                except OSError:
                    return

    def resize(self, cols: int, rows: int) -> None:
        """Change the size; the foreground programs get SIGWINCH."""
        if not self._over:
            fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def signal(self, number: int) -> bool:
        """Signal the programs in the foreground; False if there are none."""
        if self._over:
            return False
        try:
            # The kernel gives the number as this process sees it, wherever the program is.
            (group,) = struct.unpack("i", fcntl.ioctl(self._descriptor, termios.TIOCGPGRP, bytes(4)))
            os.killpg(group, number)
        except (OSError, ValueError):
            return False
        return True

    def hang_up(self) -> None:
        """End the shell; what it leaves behind loses its terminal."""
        if not self._over:
            task = self._loop.create_task(self._kill())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _kill(self) -> None:
        with contextlib.suppress(ConnectionError):  # the doorman's end is every shell's end
            await self._send_signal(_KILL, True)

    def finish(self) -> None:
        """Record that the shell has ended; called once by whoever watches it."""
        if self._over:
            return
        self.read_no_more()
        self._drain()
        self._over = True
        os.close(self._descriptor)
        self._ended()

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""  # nobody has the other side open; the exit of the shell is about to be told
        if data:
            self._show(data)
        else:
            self.read_no_more()

    def _drain(self) -> None:
        with contextlib.suppress(OSError):
            for _ in range(_BURST):
                self._show(os.read(self._descriptor, _CHUNK))


def far_side(near: int) -> int:
    """Open the side of a pseudo terminal that programs get, wherever its device file is; the caller closes it."""
    return fcntl.ioctl(near, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)


_TIOCGPTPEER = 0x5441
_BURST = 16
"""Reads of what is left at the end: something in the background may go on printing."""
_FULL_S = 0.02
_KILL = 9
