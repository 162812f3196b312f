"""Commands that run in a sandbox, seen from the server."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
from collections.abc import Awaitable, Callable

from pytest_runloop.emulator.machine.account import BASH
from pytest_runloop.emulator.machine.output import Output

_CHUNK = 1 << 16
_BURST = 16
"""Chunks read at one go, so that one loud command can't starve the loop."""

Signal = Callable[[int, bool], Awaitable[None]]
"""Sends a signal number to a process, or (second argument) to its group."""


_LONGEST = 32_000
"""Bytes of a command that goes as an argument: Linux takes no argument of 128 KiB, the doorman no larger packet."""
_FROM_A_FILE = 'IFS= read -r -d "" -u 3 __runloop_command; exec 3<&-; eval "$__runloop_command"'


def bash(command: str, files: contextlib.ExitStack) -> tuple[list[str], tuple[io.FileIO, ...]]:
    """Give the arguments that run a command, and what descriptor 3 has to be: a long one comes from there."""
    data = command.encode()
    if len(data) <= _LONGEST:
        return [BASH, "-c", command], ()
    file = files.enter_context(io.FileIO(os.memfd_create("command"), "r+"))
    file.write(data)
    file.seek(0)
    return [BASH, "-c", _FROM_A_FILE], (file,)


class Stream:
    """Read a pipe into whichever output is current, until the pipe ends."""

    def __init__(self, descriptor: int, output: Output | None) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self.output = output
        self._loop.add_reader(descriptor, self._read)

    @property
    def closed(self) -> bool:
        """Whether the pipe has ended."""
        return self._descriptor < 0

    def drain(self) -> None:
        """Take what is in the pipe now: one burst, which is as much as a pipe can hold."""
        if self._descriptor >= 0:
            self._read()

    def close(self) -> None:
        """Stop reading; a background process that still prints gets SIGPIPE."""
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _read(self) -> None:
        for _ in range(_BURST):
            try:
                data = os.read(self._descriptor, _CHUNK)
            except BlockingIOError:
                return
            if not data:
                self.close()
                return
            if self.output is not None:
                self.output.append(data)


class Process:
    """One command. It has ended once its own shell has, whatever it left in the background.

    Attributes:
        stdout: Its standard output, closed when it ends.
        stderr: Its standard error, likewise.
        exit_code: 0..255, 128+n for a death by signal, None while it runs.
    """

    def __init__(self, *, send_signal: Signal, stdin: int | None = None) -> None:
        self.stdout = Output()
        self.stderr = Output()
        self.exit_code: int | None = None
        self._loop = asyncio.get_running_loop()
        self._send_signal = send_signal
        self._stdin = stdin
        self._ended = asyncio.Event()
        self._signals: set[asyncio.Task[None]] = set()
        if stdin is not None:
            os.set_blocking(stdin, False)

    async def wait(self) -> int:
        """Wait for the end and give the exit code; any number may wait."""
        await self._ended.wait()
        return self.exit_code if self.exit_code is not None else 1

    async def write_stdin(self, data: bytes) -> None:
        """Write all of it, as fast as the command reads.

        Raises:
            BrokenPipeError: The command has no standard input, or doesn't read it any more.
        """
        if self._stdin is None:
            raise BrokenPipeError
        await _write_all(self._stdin, data, ended=self._ended)

    def close_stdin(self) -> None:
        """Let the command see the end of its input."""
        if self._stdin is not None:
            os.close(self._stdin)
            self._stdin = None

    def signal(self, signum: int, *, group: bool) -> None:
        """Send a signal to the command's shell, or to its whole process group; nothing if it has ended."""
        if self.exit_code is None:
            task = self._loop.create_task(self._signal(signum, group))
            self._signals.add(task)
            task.add_done_callback(self._signals.discard)

    async def _signal(self, signum: int, group: bool) -> None:  # noqa: FBT001 - private
        with contextlib.suppress(ConnectionError):  # the doorman's end is every command's end
            await self._send_signal(signum, group)

    def end(self, exit_code: int) -> None:
        """Record the end; called once by whoever watches the command."""
        if self.exit_code is None:
            self.exit_code = exit_code
            self.close_stdin()
            self.stdout.close()
            self.stderr.close()
            self._ended.set()


SHELL_LOOP = r"""
while IFS= read -r -d '' -u 3 __runloop_command; do
  eval "$__runloop_command" 3<&- 4>&- </dev/null
  printf '%s\0' "$?" >&4
done
"""
"""What a named shell runs: one NUL-ended command after the other from 3, each exit code to 4."""


class Shell:
    """A long-lived bash that keeps its directory and variables between commands.

    The caller runs one command at a time, and makes a new shell when this one has ended.
    """

    def __init__(self, stdout: int, stderr: int, commands: int, statuses: int, *, send_signal: Signal) -> None:
        """Take its ends of four pipes."""
        self._ended = asyncio.Event()
        self._send_signal = send_signal
        self._stdout = Stream(stdout, None)
        self._stderr = Stream(stderr, None)
        self._commands = commands
        self._statuses = statuses
        self._loop = asyncio.get_running_loop()
        self._current: Process | None = None
        os.set_blocking(statuses, False)
        os.set_blocking(commands, False)
        self._loop.add_reader(statuses, self._read_status)

    @property
    def ended(self) -> bool:
        """Whether the shell is gone, so that the next command needs a new one."""
        return self._ended.is_set()

    async def run(self, command: str) -> Process:
        """Run one command in the shell as it was left by the one before."""
        process = self._current = Process(send_signal=self._send_signal)
        for stream, output in ((self._stdout, process.stdout), (self._stderr, process.stderr)):
            stream.drain()  # what background jobs printed in between belongs to nobody
            stream.output = output
        with contextlib.suppress(BrokenPipeError):  # the shell is ending, and `finish` ends the command
            await _write_all(self._commands, command.replace("\0", "").encode() + b"\0", ended=self._ended)
        return process

    async def close(self) -> None:
        """End the shell with what runs in it."""
        if not self.ended:
            with contextlib.suppress(ConnectionError):
                await self._send_signal(9, True)

    def finish(self, exit_code: int) -> None:
        """Record that the shell itself has ended; called once by whoever watches it."""
        self._ended.set()
        self._end_current(exit_code)
        self._loop.remove_reader(self._statuses)
        os.close(self._statuses)
        os.close(self._commands)
        self._stdout.close()
        self._stderr.close()

    def _read_status(self) -> None:
        try:
            data = os.read(self._statuses, 64)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(self._statuses)
            return
        self._end_current(int(data.rstrip(b"\0")))

    def _end_current(self, exit_code: int) -> None:
        process, self._current = self._current, None
        if process is None:
            return
        # The status was written after all the output, so all of it is in the pipes by now.
        for stream in (self._stdout, self._stderr):
            stream.drain()
            stream.output = None
        process.end(exit_code)


async def _write_all(descriptor: int, data: bytes, *, ended: asyncio.Event) -> None:
    """Write to a non-blocking pipe, giving up with BrokenPipeError once ``ended`` is set."""
    loop = asyncio.get_running_loop()
    while data:
        if ended.is_set():
            raise BrokenPipeError
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            writable = asyncio.Event()
            loop.add_writer(descriptor, writable.set)
            waits = [loop.create_task(event.wait()) for event in (writable, ended)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                loop.remove_writer(descriptor)
                for wait in waits:
                    wait.cancel()
