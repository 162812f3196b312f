"""The server's end of the doorman's socket, on one asyncio loop."""

from __future__ import annotations

import asyncio
import errno
import itertools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pytest_runloop.emulator.machine.doorman import PACKET

_DOORMAN = """
import sys
sys.path.append(sys.argv[1])
from pytest_runloop.emulator.machine.doorman import main
main(int(sys.argv[2]))
"""
"""Started without site-packages, which takes a third of the time; only our own package is put on the path."""


class DoormanGone(ConnectionError):
    """Report that the helper process has died, and every sandbox with it."""


class Doorway:
    """Ask the doorman, and hear of the ends of the processes it started.

    Create it with `open`, on the loop that will use it. `close` ends the doorman and all sandboxes.
    """

    def __init__(self, control: socket.socket, process: subprocess.Popen[bytes]) -> None:
        self._control = control
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[tuple[dict[str, Any], list[int]]]] = {}
        self._exits: dict[int, Callable[[int], None]] = {}
        self._early_exits: dict[int, int] = {}
        self._sending = asyncio.Lock()
        self._loop.add_reader(control.fileno(), self._receive)

    @classmethod
    def open(cls) -> Doorway:
        """Start a doorman. It takes a few milliseconds to come up; requests wait for it by themselves."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PACKET * 2)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _DOORMAN, str(Path(__file__).parents[3]), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={},
                start_new_session=True,
            )
        return cls(ours, process)

    async def ask(self, op: str, *descriptors: int, **request: object) -> tuple[dict[str, Any], list[int]]:
        """Send one request and wait for its answer.

        Args:
            op: One of the doorman's operations.
            descriptors: Copied to the doorman; the caller still owns and closes its own.
            request: The operation's fields, as JSON values.

        Returns:
            The answer, and the descriptors that came with it, which the caller owns.

        Raises:
            OSError: The operation failed; the message is the system's.
            DoormanGone: The doorman has died.
            ValueError: The request is longer than a packet can be.
        """
        number = next(self._numbers)
        future = self._answers[number] = self._loop.create_future()
        try:
            await self._send(json.dumps({"id": number, "op": op, **request}).encode(), descriptors)
            answer, received = await future
        finally:
            self._answers.pop(number, None)
        if "error" in answer:
            raise OSError(answer["error"], os.strerror(answer["error"]), request.get("path"))
        return answer, received

    def on_exit(self, pid: int, callback: Callable[[int], None]) -> None:
        """Call back once with the exit code of a process that `ask` has started."""
        if pid in self._early_exits:
            callback(self._early_exits.pop(pid))
        else:
            self._exits[pid] = callback

    async def close(self) -> None:
        """End the doorman, and with it every sandbox; return when it is gone."""
        self._hang_up()
        try:
            await self._loop.run_in_executor(None, self._process.wait, 5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    async def _send(self, packet: bytes, descriptors: Sequence[int]) -> None:
        if len(packet) > PACKET:
            raise _too_long(packet)
        async with self._sending:
            while True:
                try:
                    socket.send_fds(self._control, [packet], descriptors)
                except BlockingIOError:
                    await self._writable()
                except OSError as error:
                    if error.errno == errno.EMSGSIZE:  # the system's own limit, where it is lower
                        raise _too_long(packet) from error
                    raise DoormanGone(str(error)) from error
                else:
                    return

    async def _writable(self) -> None:
        ready = asyncio.Event()
        self._loop.add_writer(self._control.fileno(), ready.set)
        try:
            await ready.wait()
        finally:
            self._loop.remove_writer(self._control.fileno())

    def _receive(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, PACKET, 8)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if not data:
            self._hang_up()
            return
        message = json.loads(data)
        if "exit" in message:
            self._ended(message["exit"], message["code"])
            return
        future = self._answers.get(message["id"])
        if future is None or future.done():  # the asker was cancelled
            for descriptor in descriptors:
                os.close(descriptor)
        else:
            future.set_result((message, descriptors))

    def _ended(self, pid: int, code: int) -> None:
        callback = self._exits.pop(pid, None)
        if callback is None:
            self._early_exits[pid] = code
        else:
            callback(code)

    def _hang_up(self) -> None:
        """Stop listening; whoever still waits learns that the doorman has gone."""
        if self._control.fileno() < 0:
            return
        self._loop.remove_reader(self._control.fileno())
        self._control.close()
        for future in self._answers.values():
            if not future.done():
                future.set_exception(DoormanGone("the emulator's doorman process has ended"))
        exits, self._exits = self._exits, {}
        for callback in exits.values():
            callback(137)


def _too_long(packet: bytes) -> ValueError:
    return ValueError(f"the command and its environment are too long ({len(packet)} bytes)")
