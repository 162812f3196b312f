"""Serving an emulator: its own process's main task, or a thread of this one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from pytest_runloop.emulator.firstbyte import FirstBytes

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.applications import Starlette
    from uvicorn.server import ServerState

    from pytest_runloop.emulator.http.secure import Secure
    from pytest_runloop.emulator.machine.machines import Machines
    from pytest_runloop.emulator.service.emulator import Emulator

_KEEP_ALIVE_S = 3600
"""How long idle connections stay open. Clients pool them, and one closed under a request costs a retry of seconds."""
_CLOSE_S = 2.0
_BACKLOG = 512

OpenMachines: TypeAlias = "Callable[[Path], Awaitable[Machines]]"
"""Opens what runs the devboxes; for a computer that can't run sandboxes, a stand-in."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where an emulator answers.

    Attributes:
        api_key: What it wants as a bearer token; never printed.
    """

    base_url: str
    api_key: str = field(repr=False)


async def open_machines(state: Path) -> Machines:
    """Open the real machines.

    Raises:
        Unsupported: This computer can't run them; the message says what to do.
    """
    from pytest_runloop.emulator.machine.machines import Machines

    return await Machines.open(state)


async def run(
    state: Path,
    *,
    started: Callable[[Address], None],
    stop: asyncio.Event,
    port: int = 0,
    trouble: Mapping[str, object] | None = None,
    machines: OpenMachines = open_machines,
) -> None:
    """Serve until told to stop, then end every devbox.

    Args:
        state: The state directory; several emulators may share one.
        started: Called once the emulator answers.
        stop: Set by whoever wants the end.
        port: On 127.0.0.1; 0 for a free one.
        trouble: What is to go wrong from the start.
        machines: Opens what runs the devboxes.

    Raises:
        ApiProblem: There is no such trouble.
        Unsupported: This computer can't run sandboxes.
        StoreError: The state directory can't be used.
        OSError: The port is taken.
    """
    with _listener(port) as listener:
        opening = asyncio.ensure_future(machines(state))
        # The machines' helper process starts on another core while this one imports.
        await asyncio.sleep(0)
        from pytest_runloop.emulator.http.app import build_app
        from pytest_runloop.emulator.service.emulator import Emulator

        emulator = await Emulator.open(state, opening)
        try:
            emulator.address = host, number = listener.getsockname()
            address = Address(base_url=f"http://{host}:{number}", api_key=f"ak_{secrets.token_urlsafe(32)}")
            app = build_app(emulator, api_key=address.api_key)
            app.state.directory = state
            if trouble:
                _begin_with(app, trouble)
            secure = partial(_secure, state, address)
            await _serve(app, emulator, listener, lambda: started(address), stop, secure=secure)
        finally:
            await emulator.close()


@contextlib.contextmanager
def serve(state: Path, *, machines: OpenMachines = open_machines) -> Iterator[Address]:
    """Serve in a thread with its own event loop for as long as the block runs.

    Yields:
        Where it answers.

    Raises:
        Exception: Whatever the server failed with, at its start or later.
    """
    server = _Thread(state, machines)
    server.start()
    try:
        yield server.address()
    finally:
        server.end()


class _Thread:
    def __init__(self, state: Path, machines: OpenMachines) -> None:
        self._state = state
        self._machines = machines
        self._address: Address | None = None
        self._error: BaseException | None = None
        self._ready = threading.Event()
        self._stop: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._thread = threading.Thread(target=self._main, name="runloop-emulator", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def address(self) -> Address:
        self._ready.wait()
        if self._address is None:
            assert self._error is not None  # noqa: S101 - one of them was set before `ready`
            raise self._error
        return self._address

    def end(self) -> None:
        if self._stop is not None:
            loop, stop = self._stop
            with contextlib.suppress(RuntimeError):  # the loop is closed: the server has ended by itself
                loop.call_soon_threadsafe(stop.set)
        self._thread.join()
        if self._error is not None and self._address is not None:
            raise self._error

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        # Not handled but carried over to the thread that started this one, which raises it.
        except BaseException as error:  # noqa: BLE001
            self._error = error
        finally:
            self._ready.set()

    async def _run(self) -> None:
        stop = asyncio.Event()
        self._stop = asyncio.get_running_loop(), stop
        await run(self._state, started=self._started, stop=stop, machines=self._machines)

    def _started(self, address: Address) -> None:
        self._address = address
        self._ready.set()


def _listener(port: int) -> socket.socket:
    # With the protocol spelled out: asyncio turns TCP's 40 ms write delay off only where it sees that.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


async def _serve(
    app: Starlette,
    emulator: Emulator,
    listener: socket.socket,
    started: Callable[[], None],
    stop: asyncio.Event,
    *,
    secure: Callable[..., Secure],
) -> None:
    from uvicorn import Config
    from uvicorn.server import ServerState

    config = Config(
        app,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    config.load()
    config.ws_protocol_class = cast("Any", _upgraded(emulator))
    state = ServerState()
    app.state.reset = partial(_reset, state.connections)
    # Not uvicorn's own Server: that looks ten times a second whether it should end, and owns the process's signals.
    protocol: Any = config.http_protocol_class
    http1 = partial(protocol, config=config, server_state=state, app_state={})
    second = cache(partial(secure, http1, state.connections))
    server = await asyncio.get_running_loop().create_server(
        lambda: FirstBytes(
            state.connections,
            http1=http1,
            http2=lambda: _http2(app, state),
            secure=lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader(), second().serve),
        ),
        sock=listener,
    )
    started()
    await stop.wait()
    server.close()
    await _close_connections(state)


def _http2(app: Starlette, state: ServerState) -> asyncio.Protocol:
    from pytest_runloop.emulator.http2 import Http2

    return Http2(app, state)


def _secure(state: Path, address: Address, http1: Callable[[], asyncio.Protocol], connections: set[Any]) -> Secure:
    from pytest_runloop.emulator.http.secure import Secure

    return Secure(http1, connections, state=state, base_url=address.base_url, api_key=address.api_key)


def _upgraded(emulator: Emulator) -> Callable[..., asyncio.Protocol]:
    """Give what takes connections over that become WebSockets, whose library is loaded by the first of them."""

    def take_over(**uvicorn: Any) -> asyncio.Protocol:  # noqa: ANN401 - uvicorn's own arguments
        from pytest_runloop.emulator.http.upgrades import Upgrade

        return Upgrade(emulator, **uvicorn)

    return take_over


async def _close_connections(state: ServerState) -> None:
    """Close all connections, and give what still answers on them a moment to notice."""
    for connection in list(state.connections):
        connection.shutdown()
        # So that the tasks' ends are not answered as failures.
        if (transport := _transport(connection)) is not None:
            transport.close()
    for task in list(state.tasks):
        task.cancel()
    if state.tasks:
        # Uvicorn reports a cancelled task as the application's failure, with a traceback.
        log = logging.getLogger("uvicorn.error")
        log.addFilter(_is_failure)
        await asyncio.wait(list(state.tasks), timeout=_CLOSE_S)
        log.removeFilter(_is_failure)


def _is_failure(record: logging.LogRecord) -> bool:
    return record.exc_info is None or not isinstance(record.exc_info[1], asyncio.CancelledError)


def _begin_with(app: Starlette, trouble: Mapping[str, object]) -> None:
    from pytest_runloop.emulator.http.trouble import begin

    begin(app, trouble)


def _reset(connections: set[Any], scope: Mapping[str, Any]) -> None:
    """Reset the connection that a request came by."""
    for transport in map(_transport, list(connections)):
        if transport is not None and transport.get_extra_info("peername") == scope["client"]:
            # A close without lingering is a reset.
            sock = transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()


def _transport(connection: Any) -> asyncio.Transport | None:  # noqa: ANN401 - of every kind there is here
    transport: asyncio.Transport | None = getattr(connection, "transport", None)
    return transport
