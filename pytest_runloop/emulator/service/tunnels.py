"""Tunnels: who may come in by one, and the way to the devbox's port."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from pytest_runloop.emulator.domain.lifecycle import Status
from pytest_runloop.emulator.domain.problems import ApiProblem, bad_request
from pytest_runloop.emulator.domain.tunnels import Tunnel, TunnelRequest
from pytest_runloop.emulator.service.identity import fresh_key, now_ms

if TYPE_CHECKING:
    from pytest_runloop.emulator.domain.records import Devbox
    from pytest_runloop.emulator.domain.tunnels import Door
    from pytest_runloop.emulator.service.devboxes import Devboxes
    from pytest_runloop.emulator.service.roster import Roster

_CHUNK = 1 << 16
RETRY_AFTER_S = 5
"""What a caller who woke a devbox is told to wait."""


class NotYet(ApiProblem):
    """Report a devbox that isn't there yet; the caller comes again."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers that go with it."""
        return {"Retry-After": str(RETRY_AFTER_S)}


@dataclass(frozen=True, kw_only=True)
class Way:
    """A connection to a devbox's port.

    Attributes:
        touch: To be called when something comes by.
        token: What the caller had to show; None if nothing.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    touch: Callable[[], None]
    token: str | None

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes both ways until both sides have ended, and close both."""
        try:
            await asyncio.gather(self._pump(reader, self.writer), self._pump(self.reader, writer))
        finally:
            self.writer.close()
            writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_CHUNK):
                self.touch()
                writer.write(data)
                await writer.drain()
        # Half a WebSocket is of no use to anybody.
        writer.close()


class Tunnels:
    """The tunnels of all devboxes."""

    def __init__(self, roster: Roster, devboxes: Devboxes) -> None:
        self._roster = roster
        self._devboxes = devboxes
        self._devbox_of: dict[str, str] = {}

    def enable(self, devbox_id: str, request: TunnelRequest) -> Tunnel:
        """Open a running devbox's tunnel.

        Raises:
            ApiProblem: 404, or 400 if it isn't running or has one.
        """
        runtime, _ = self._roster.running(devbox_id)
        if runtime.record.tunnel is not None:
            raise bad_request(f"Devbox {devbox_id} already has a tunnel; remove it first.")
        tunnel = new_tunnel(request)
        self._roster.change(devbox_id, lambda devbox: replace(devbox, tunnel=tunnel))
        return tunnel

    def remove(self, devbox_id: str) -> None:
        """Close a devbox's tunnel, if it has one.

        Raises:
            ApiProblem: 404.
        """
        self._roster.change(devbox_id, lambda devbox: replace(devbox, tunnel=None))

    async def open(self, door: Door, tokens: Sequence[str]) -> Way:
        """Connect to the port behind a door; the caller closes the writer.

        Args:
            door: The port and the tunnel's key.
            tokens: What the caller shows to be let in.

        Raises:
            ApiProblem: 404 without such a tunnel, 401 without its token, 503 while the devbox doesn't run, 502 if
                nothing listens.
        """
        devbox = self._find(door.key)
        tunnel = devbox.tunnel
        assert tunnel is not None  # noqa: S101 - it was found by it
        if tunnel.auth_token is not None:
            check_token(tunnel.auth_token, tokens)
        self._be_awake(devbox)
        runtime = self._roster.held(devbox.id)
        if runtime is None or runtime.machine is None:
            raise ApiProblem(503, f"Devbox {devbox.id} runs in another emulator on the same state directory.")
        touch = runtime.touch if tunnel.request.http_keep_alive else _ignore
        touch()
        try:
            connection = await runtime.machine.connect(door.port)
        except OSError as error:
            raise ApiProblem(502, f"Nothing answers on port {door.port} of devbox {devbox.id}: {error}.") from None
        reader, writer = await asyncio.open_connection(sock=connection)
        return Way(reader=reader, writer=writer, touch=touch, token=tunnel.auth_token)

    def _find(self, key: str) -> Devbox:
        known = self._devbox_of.get(key)
        if known is not None:
            devbox = self._devboxes.get(known)
            if _has(devbox, key):
                return devbox
            del self._devbox_of[key]
        for devbox in self._everything():
            if _has(devbox, key):
                self._devbox_of[key] = devbox.id
                return devbox
        raise ApiProblem(404, "There is no such tunnel; enable_tunnel gives the key of a devbox's.")

    def _everything(self) -> list[Devbox]:
        # Those that run here first, so that the store is looked through only for the others.
        return [
            *(runtime.record for runtime in self._roster.all_held()),
            *(self._roster.as_shown(devbox) for devbox in self._roster.store.devboxes()),
        ]

    def _be_awake(self, devbox: Devbox) -> None:
        """Let a devbox pass that runs, and wake one that sleeps, if it may be woken."""
        if devbox.status is Status.RUNNING:
            return
        if devbox.status is Status.SUSPENDED:
            if not _wakes(devbox):
                raise ApiProblem(503, f"Devbox {devbox.id} is suspended, and HTTP doesn't wake it; resume it.")
            self._devboxes.resume(devbox.id)
        raise NotYet(503, f"Devbox {devbox.id} is not running yet; come again in {RETRY_AFTER_S} s.")


def new_tunnel(request: TunnelRequest) -> Tunnel:
    """Make a tunnel's record."""
    token = fresh_key(32) if request.auth_mode == "authenticated" else None
    return Tunnel(key=fresh_key(16).lower(), request=request, create_time_ms=now_ms(), auth_token=token)


def check_token(expected: str, tokens: Sequence[str]) -> None:
    """Let nobody pass without the right token.

    Raises:
        ApiProblem: 401.
    """
    if not any(hmac.compare_digest(expected.encode(), token.encode()) for token in tokens):
        message = "The tunnel's token is missing or wrong; send 'X-Runloop-Tunnel-Authorization: Bearer <auth_token>'."
        raise ApiProblem(401, message)


def _has(devbox: Devbox, key: str) -> bool:
    return devbox.tunnel is not None and devbox.tunnel.key == key and not devbox.status.is_over


def _wakes(devbox: Devbox) -> bool:
    """Say whether HTTP resumes a devbox: its launch parameters go before its tunnel."""
    lifecycle = cast("dict[str, Any]", devbox.launch_parameters.get("lifecycle", {}))
    triggers = lifecycle.get("resume_triggers", {})
    by_itself = devbox.tunnel is not None and devbox.tunnel.request.wake_on_http
    return bool(triggers.get("http", by_itself))


def _ignore() -> None:
    """Do nothing, for tunnels whose traffic doesn't count."""
