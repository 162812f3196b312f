"""The doorman: the one small process that boots sandboxes and enters them.

It is a process of its own because joining a user namespace needs a single-threaded one, and because a fork of it costs
a fraction of a fork of the server; so it imports the standard library only. The server talks to it over a
``SOCK_SEQPACKET`` pair: one JSON object a packet, file descriptors beside it.

Requests carry ``id`` and ``op`` (see ``OPERATIONS``); each is answered once, with that ``id``. The end of any child is
told as ``{"exit": pid, "code": n}``, where ``n`` is 0..255, 128+n for a death by signal.

When the socket closes, or the doorman is killed, every sandbox dies with it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import selectors
import signal
import socket
import struct
from collections.abc import Callable

from pytest_runloop.emulator.machine import namespaces
from pytest_runloop.emulator.machine.namespaces import Request

PACKET = 1 << 18
"""Bytes of one request or answer at the most; a program's arguments are limited to half of it anyway."""


class Doorman:
    """Serve requests from one socket until it closes."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._inits: dict[str, int] = {}
        self._children: set[int] = set()

    def serve(self) -> None:
        """Answer requests and tell of ended children."""
        namespaces.adopt_orphans()
        woken, waker = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ, self._receive)
            selector.register(woken, selectors.EVENT_READ, lambda: self._reap(woken))
            while all(key.data() for key, _ in selector.select()):
                pass

    def _receive(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(self._control, PACKET, 8)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        if not data:
            return False
        request = json.loads(data)
        try:
            OPERATIONS[request["op"]](self, request, descriptors)
        except OSError as error:
            self.reply(request, error=error.errno or errno.EIO)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return True

    def _reap(self, woken: int) -> bool:
        os.read(woken, 4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                return True
            if pid in self._children:
                self._children.discard(pid)
                code = os.waitstatus_to_exitcode(status)
                self._send({"exit": pid, "code": code if code >= 0 else 128 - code})

    def reply(self, request: Request, *descriptors: int, **answer: object) -> None:
        """Answer one request; ``error`` is an errno."""
        self._send({"id": request["id"], **answer}, descriptors)

    def _send(self, message: dict[str, object], descriptors: tuple[int, ...] = ()) -> None:
        try:
            socket.send_fds(self._control, [json.dumps(message).encode()], list(descriptors))
        except BrokenPipeError:
            os._exit(0)  # the server has gone, and every sandbox goes with this process

    def boot(self, request: Request, descriptors: list[int]) -> None:
        """Start bwrap. ``descriptors``: the payload's stdout, the info pipe, the error pipe."""
        pid = self._fork(lambda: namespaces.become_bwrap(request, descriptors))
        self._children.add(pid)
        self.reply(request, pid=pid)

    def adopt(self, request: Request, _: list[int]) -> None:
        """Remember the init process of a box: joining the box means joining its namespaces."""
        self._inits[request["box"]] = os.pidfd_open(request["init"])
        self.reply(request)

    def halt(self, request: Request, _: list[int]) -> None:
        """Kill a box's init, and so everything in it; the exit of its bwrap (``pid``) tells when it is gone."""
        init = self._inits.pop(request["box"], None)
        if init is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(init, signal.SIGKILL)
            os.close(init)
        elif request["pid"] in self._children:  # it was never adopted
            os.kill(request["pid"], signal.SIGKILL)
        self.reply(request)

    def run(self, request: Request, descriptors: list[int]) -> None:
        """Start a command in a box with ``descriptors`` as its 0, 1, 2, ….

        The first fork joins the namespaces, the second one is in the pid namespace as well. The first one ends at
        once, so the command becomes a child of this process (a subreaper).
        """
        reader, writer = os.pipe()
        self._fork(lambda: self._join_and_fork(request, descriptors, writer))
        os.close(writer)
        with os.fdopen(reader, "rb") as answer:
            pid, problem = struct.unpack("ii", answer.read(8) or struct.pack("ii", 0, errno.ESRCH))
        if problem:
            self.reply(request, error=problem)
            return
        self._children.add(pid)
        self.reply(request, pid=pid)

    def _join_and_fork(self, request: Request, descriptors: list[int], writer: int) -> None:
        try:
            namespaces.enter_groups(request["procs"])
            namespaces.join(self._inits[request["box"]], namespaces.ALL)
            settled, settles = os.pipe()
            pid = self._fork(lambda: namespaces.become_command(request, descriptors, settles))
            os.close(settles)
            os.read(settled, 1)  # before that, a signal to its group would find no group
        except (OSError, KeyError) as error:
            os.write(writer, struct.pack("ii", 0, getattr(error, "errno", None) or errno.ESRCH))
        else:
            os.write(writer, struct.pack("ii", pid, 0))

    def signal(self, request: Request, _: list[int]) -> None:
        """Signal a command of ours, or its whole process group; nothing if it has ended."""
        pid = request["pid"]
        if pid in self._children:
            with contextlib.suppress(ProcessLookupError):  # it is ending right now, and its exit is about to be told
                (os.killpg if request["group"] else os.kill)(pid, request["signal"])
        self.reply(request)

    def open(self, request: Request, _: list[int]) -> None:
        """Open a regular file as a box's account sees it, and hand it over."""
        self._in_box(request, namespaces.FILES, namespaces.open_file)

    def terminal(self, request: Request, _: list[int]) -> None:
        """Open a pseudo terminal of a box, and hand its near side over."""
        self._in_box(request, namespaces.FILES, namespaces.open_terminal)

    def connect(self, request: Request, _: list[int]) -> None:
        """Connect to a port on a box's loopback, and hand the socket over."""
        self._in_box(request, namespaces.NETWORK, namespaces.connect)

    def listen(self, request: Request, _: list[int]) -> None:
        """Listen on a port of a box's loopback, and hand the socket over."""
        self._in_box(request, namespaces.NETWORK, namespaces.listen)

    def proc(self, request: Request, _: list[int]) -> None:
        """Hand over a box's /proc as a directory, which nobody inside can cover up later."""
        self._in_box(request, namespaces.FILES, lambda _: os.open("/proc", os.O_RDONLY | os.O_DIRECTORY))

    def _in_box(self, request: Request, which: int, action: Callable[[Request], int]) -> None:
        """Do one thing in a child that has joined the box, and answer with the descriptor it gives."""

        def child() -> None:
            try:
                namespaces.join(self._inits[request["box"]], which)
                descriptor = action(request)
            except OSError as error:
                self.reply(request, error=error.errno or errno.EIO)
            except KeyError:
                self.reply(request, error=errno.ESRCH)
            except ValueError:  # a NUL in the path
                self.reply(request, error=errno.EINVAL)
            else:
                self.reply(request, descriptor)

        self._fork(child)

    def _fork(self, child: Callable[[], None]) -> int:
        """Fork; the child does its work and ends without ever returning."""
        pid = os.fork()
        if pid == 0:
            code = 127
            try:
                signal.set_wakeup_fd(-1)
                child()
                code = 0
            finally:
                os._exit(code)
        return pid


OPERATIONS: dict[str, Callable[[Doorman, Request, list[int]], None]] = {
    "boot": Doorman.boot,
    "adopt": Doorman.adopt,
    "halt": Doorman.halt,
    "run": Doorman.run,
    "signal": Doorman.signal,
    "open": Doorman.open,
    "terminal": Doorman.terminal,
    "connect": Doorman.connect,
    "listen": Doorman.listen,
    "proc": Doorman.proc,
}


def main(control: int) -> None:
    """Serve on an inherited socket until it closes."""
    os.set_inheritable(control, False)  # or every sandbox could read what is asked, and answer in our place
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's ^C is for the server, which then closes the socket
    Doorman(socket.socket(fileno=control)).serve()
