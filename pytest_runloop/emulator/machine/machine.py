"""One machine: a sandbox that runs, and everything that can be done in it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_runloop.emulator.machine import egress
from pytest_runloop.emulator.machine.account import BASH, IN_IMAGE, PATH, ROOT, Account
from pytest_runloop.emulator.machine.bwrap import PAYLOAD
from pytest_runloop.emulator.machine.doorway import DoormanGone, Doorway
from pytest_runloop.emulator.machine.namespaces import FIRST_HOST_ID
from pytest_runloop.emulator.machine.pipes import pipe, read_until
from pytest_runloop.emulator.machine.process import SHELL_LOOP, Process, Shell, Signal, Stream, bash
from pytest_runloop.emulator.machine.watch import Limits, exceeded

if TYPE_CHECKING:
    from pytest_runloop.emulator.machine.terminal import Terminal


class BootError(Exception):
    """Report a machine that did not come up; the message is bubblewrap's."""


class Machine:
    """A running sandbox. `Machines.boot` makes it; whoever booted it halts it.

    Attributes:
        account: Whose commands it runs.
    """

    def __init__(
        self,
        box: str,
        account: Account,
        limits: Limits,
        *,
        doorway: Doorway,
        all_ids: bool,
        on_death: Callable[[str], None],
        outside: egress.Outside,
    ) -> None:
        self.account = account
        self._box = box
        self._limits = limits
        self._doorway = doorway
        self._all_ids = all_ids
        self._on_death = on_death
        self._outside = outside
        self._cause = "stopped"
        self._halting = False
        self._killed = False
        self._pid = 0
        self._procs: Sequence[str] = ()
        self._gone = asyncio.Event()
        self._idle = asyncio.Event()
        self._commands = 0
        self._streams: set[Stream] = set()
        self._cleanup = contextlib.ExitStack()
        self._when_gone: Callable[[], None] = lambda: None

    def when_gone(self, callback: Callable[[], None]) -> None:
        """Call back once, when nothing of the machine runs any more."""
        self._when_gone = callback

    async def start(
        self,
        program: str,
        argv: list[str],
        stage: list[tuple[str, str, bool]] | None,
        *,
        procs: Sequence[str] = (),
    ) -> None:
        """Boot it; `Machines.boot` calls this.

        Raises:
            BootError: It did not come up, and nothing of it is left running.
        """
        with contextlib.ExitStack() as pipes:
            (ready, out), (info, info_in), (errors, errors_in) = (pipe(pipes) for _ in range(3))
            request = {"program": program, "argv": argv, "payload": PAYLOAD, "stage": stage, "env": {"PATH": PATH}}
            self._procs = procs
            try:
                await self._launch(request, (out, info_in, errors_in))
                await self._enter(info, ready)
            except (EOFError, OSError) as error:
                await self.halt()
                raise BootError(errors.read(4096).decode(errors="replace").strip() or str(error)) from error
            except BaseException:
                await self.halt()
                raise

    async def run(self, command: str, *, env: Mapping[str, str], stdin: bool = False) -> Process:
        """Start a command with ``bash -c``, in the account's home.

        Args:
            command: As a shell reads it.
            env: Added to HOME, USER, PATH and the like.
            stdin: Whether it gets a pipe to read from instead of nothing.

        Raises:
            OSError: It could not be started; the machine has ended, or is at its limit of processes.
            ValueError: It holds a NUL.
        """
        return await self._start(command, env=env, account=self.account, stdin=stdin)

    async def shell(self, *, env: Mapping[str, str]) -> Shell:
        """Start a long-lived bash that takes one command after the other."""
        with contextlib.ExitStack() as pipes:
            nothing = pipes.enter_context(io.FileIO(os.devnull))
            (stdout, out), (stderr, err), (commands, commands_in), (statuses, statuses_in) = (
                pipe(pipes) for _ in range(4)
            )
            argv = [BASH, "-c", SHELL_LOOP]
            pid = await self._spawn(argv, nothing, out, err, commands, statuses_in, env=env, account=self.account)
            ends = [os.dup(end.fileno()) for end in (stdout, stderr, commands_in, statuses)]
        shell = Shell(*ends, send_signal=self._signal(pid))
        self._when_ended(pid, shell.finish)
        return shell

    async def terminal(self, *, env: Mapping[str, str], cols: int, rows: int) -> Terminal:
        """Start an interactive login shell on a terminal of its own.

        Raises:
            OSError: It could not be started.
        """
        from pytest_runloop.emulator.machine.terminal import Terminal, far_side

        _, (near,) = await self._doorway.ask("terminal", box=self._box, **self._who(self.account))
        with io.FileIO(near, "r+") as end, io.FileIO(far_side(near), "r+") as far:
            argv, env = [BASH, "--login", "-i"], {"TERM": "xterm-256color", **env}
            pid = await self._spawn(argv, far, far, far, env=env, account=self.account, terminal=True)
            terminal = Terminal(os.dup(end.fileno()), send_signal=self._signal(pid), size=(cols, rows))
        self._when_ended(pid, lambda _: terminal.finish())
        return terminal

    async def open_file(self, path: str, *, write: bool) -> int:
        """Open a regular file as the account, by the sandbox's own links and rights; the caller closes it.

        Args:
            path: Absolute, or relative to the home, where ``~`` stands for the home.
            write: Open it for writing: empty, made with its parents if missing.

        Raises:
            OSError: As `open` raises it, with the path; EINVAL for a pipe, socket or device.
        """
        account = self._who(self.account)
        _, (descriptor,) = await self._doorway.ask(
            "open", box=self._box, path=path, write=write, home=self.account.home, **account
        )
        os.set_blocking(descriptor, True)
        return descriptor

    async def connect(self, port: int) -> socket.socket:
        """Connect to a port that something in the sandbox listens on; the caller closes the socket.

        Raises:
            ConnectionRefusedError: Nothing listens there.
        """
        _, (descriptor,) = await self._doorway.ask("connect", box=self._box, port=port)
        connection = socket.socket(fileno=descriptor)
        connection.setblocking(False)
        return connection

    async def halt(self) -> None:
        """Kill everything in it, and return once it is gone. The disk stays. A second call does no harm."""
        self._halting = True
        await self._kill()
        await self._gone.wait()

    async def _kill(self) -> None:
        if self._pid and not self._killed:
            self._killed = True
            with contextlib.suppress(DoormanGone):  # everything went with it
                await self._doorway.ask("halt", box=self._box, pid=self._pid)

    async def _launch(self, request: Mapping[str, object], ends: Sequence[io.FileIO]) -> None:
        """Start bubblewrap, which alone holds the pipes' ends from now on, so that they end with it."""
        try:
            answer, _ = await self._doorway.ask("boot", *(end.fileno() for end in ends), procs=self._procs, **request)
        except OSError:
            self._forget()
            raise
        finally:
            for end in ends:
                end.close()
        self._pid = answer["pid"]
        self._doorway.on_exit(self._pid, self._exited)
        if self._halting:
            raise EOFError

    async def _enter(self, info: io.FileIO, ready: io.FileIO) -> None:
        """Wait until bubblewrap has set the machine up, and furnish it."""
        init = json.loads(await read_until(info, b"}"))["child-pid"]
        await self._doorway.ask("adopt", box=self._box, init=init)
        await read_until(ready, b"\n")
        await self._furnish()

    async def _furnish(self) -> None:
        """Give the new machine its way out, its watch, and an account that the image doesn't have."""
        for port in (egress.PORT, *self._outside.ports):
            _, (listener,) = await self._doorway.ask("listen", box=self._box, port=port)
            server = await egress.serve(socket.socket(fileno=listener), self._outside)
            self._cleanup.callback(server.close)
        _, (proc,) = await self._doorway.ask("proc", box=self._box)
        self._cleanup.callback(os.close, proc)
        watch = asyncio.get_running_loop().create_task(self._watch(proc))
        self._cleanup.callback(watch.cancel)
        if self.account not in IN_IMAGE:
            process = await self._start(self.account.addition(), env={}, account=ROOT)
            await process.wait()

    async def _watch(self, proc: int) -> None:
        with contextlib.suppress(OSError):  # it is ending, and `_exited` will tell
            self._cause = await exceeded(proc, self._limits, idle=self._idle)
            await self._kill()

    async def _start(self, command: str, *, env: Mapping[str, str], account: Account, stdin: bool = False) -> Process:
        with contextlib.ExitStack() as pipes:
            argv, more = bash(command, pipes)
            (stdout, out), (stderr, err) = pipe(pipes), pipe(pipes)
            fed, feed = pipe(pipes) if stdin else (pipes.enter_context(io.FileIO(os.devnull)), None)
            pid = await self._spawn(argv, fed, out, err, *more, env=env, account=account)
            process = Process(send_signal=self._signal(pid), stdin=os.dup(feed.fileno()) if feed else None)
            pairs = ((stdout, process.stdout), (stderr, process.stderr))
            streams = [Stream(os.dup(end.fileno()), output) for end, output in pairs]
        self._streams = {stream for stream in (*self._streams, *streams) if not stream.closed}

        def finish(code: int) -> None:
            for stream in streams:
                stream.drain()
                stream.output = None
            process.end(code)

        self._when_ended(pid, finish)
        return process

    async def _spawn(
        self, argv: list[str], *files: io.FileIO, env: Mapping[str, str], account: Account, terminal: bool = False
    ) -> int:
        """Start a command that has ``files`` as its descriptors 0, 1, 2, and so on."""
        if self._all_ids and not terminal:  # so that the account can open its own /dev/stdout
            for file in files[1:3]:
                os.fchown(file.fileno(), FIRST_HOST_ID + account.uid, FIRST_HOST_ID + account.uid)
        if "\0" in "".join([*argv, *env, *env.values()]):
            msg = "a command and its environment can't contain NUL characters"
            raise ValueError(msg)
        answer, _ = await self._doorway.ask(
            "run",
            *(file.fileno() for file in files),
            box=self._box,
            argv=argv,
            env={**account.environment(), **egress.ENVIRONMENT, **env},
            cwd=account.home,
            pids=self._limits.pids,
            procs=self._procs,
            terminal=terminal,
            **self._who(account),
        )
        self._commands += 1
        self._idle.clear()
        pid: int = answer["pid"]
        return pid

    def _who(self, account: Account) -> dict[str, object]:
        # An ordinary user's sandbox has one id, whoever is asked for.
        return {"uid": account.uid if self._all_ids else self.account.uid, "username": account.username}

    def _signal(self, pid: int) -> Signal:
        async def send(signum: int, group: bool) -> None:  # noqa: FBT001 - by the alias
            await self._doorway.ask("signal", pid=pid, signal=int(signum), group=group)

        return send

    def _when_ended(self, pid: int, finish: Callable[[int], None]) -> None:
        def ended(code: int) -> None:
            self._commands -= 1
            if not self._commands:
                self._idle.set()
            finish(code)

        self._doorway.on_exit(pid, ended)

    def _exited(self, _: int) -> None:
        for stream in self._streams:
            stream.close()
        self._cleanup.close()
        self._forget()
        if not self._halting:
            self._on_death(self._cause)

    def _forget(self) -> None:
        self._gone.set()
        self._when_gone()
