"""Terminals in devboxes: named sessions of an interactive shell, which a client comes back to."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.problems import ApiProblem, bad_request, not_found
from pytest_runloop.emulator.service.identity import fresh_key
from pytest_runloop.emulator.service.tunnels import check_token

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_runloop.emulator.machine.terminal import Terminal
    from pytest_runloop.emulator.service.roster import Roster, Runtime

PORT = 13
"""The port by which a tunnel's URL names the terminals."""
IDLE_TTL_S = 300
DEFAULT_SIZE = (80, 24)
SIDE = range(1, 1001)
"""What a terminal may be wide or high, in characters."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
_KEPT = 1 << 18
"""Bytes kept of what a terminal shows while nobody looks."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """A way to the terminals of one devbox."""

    devbox_id: str
    key: str
    token: str


class Session:
    """One terminal and whoever looks at it.

    Attributes:
        attached: Whether a client does.
        ended: Set once the shell has.
    """

    def __init__(self, name: str, terminal: Terminal, *, size: tuple[int, int]) -> None:
        self.name = name
        self.size = size
        self.attached = False
        self.ended = asyncio.Event()
        self._terminal = terminal
        self._shown = bytearray()
        self._more = asyncio.Event()
        self._expiry: asyncio.TimerHandle | None = None
        terminal.start(self._show, self._end)
        self._expire_later()

    def attach(self) -> None:
        """Let one client look and type; the caller detaches.

        Raises:
            ApiProblem: 409, if another one does.
        """
        if self.attached:
            raise ApiProblem(409, f"Terminal {self.name!r} has a client already.", should_retry=False)
        self.attached = True
        if self._expiry is not None:
            self._expiry.cancel()

    def detach(self) -> None:
        """Let the terminal be; it ends if nobody comes back in time."""
        self.attached = False
        self._expire_later()

    async def output(self) -> bytes:
        """Wait for what the terminal shows next; empty at its end."""
        while not self._shown and not self.ended.is_set():
            self._more.clear()
            await self._more.wait()
        data = bytes(self._shown)
        self._shown.clear()
        self._terminal.read_on()
        return data

    async def type(self, data: bytes) -> None:
        """Give the terminal what a client typed."""
        await self._terminal.write(data)

    def resize(self, cols: int, rows: int) -> None:
        """Change its size; programs in it get SIGWINCH."""
        self.size = (cols, rows)
        self._terminal.resize(cols, rows)

    def signal(self, number: int) -> None:
        """Signal what is in the foreground.

        Raises:
            ApiProblem: 400, if nothing is.
        """
        if not self._terminal.signal(number):
            raise bad_request(f"Terminal {self.name!r} has no foreground process any more.")

    def close(self) -> None:
        """End it with what runs in it."""
        self._terminal.signal(signal.SIGHUP)
        self._terminal.hang_up()

    def _show(self, data: bytes) -> None:
        self._shown += data
        if not self.attached:
            del self._shown[:-_KEPT]
        elif len(self._shown) > _KEPT:
            self._terminal.read_no_more()
        self._more.set()

    def _end(self) -> None:
        self.ended.set()
        self._more.set()
        if self._expiry is not None:
            self._expiry.cancel()

    def _expire_later(self) -> None:
        if not self.ended.is_set():
            self._expiry = asyncio.get_running_loop().call_later(IDLE_TTL_S, self.close)


class Terminals:
    """The terminals of all devboxes."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._accesses: dict[str, Access] = {}
        self._sessions: dict[tuple[str, str], Session] = {}
        self._opening = asyncio.Lock()

    def give_access(self, devbox_id: str) -> Access:
        """Make a new way to a running devbox's terminals, which ends with the devbox.

        Raises:
            ApiProblem: 404, or 400 if it isn't running.
        """
        runtime, _ = self._roster.running(devbox_id)
        access = Access(devbox_id=devbox_id, key=fresh_key(24).lower(), token=fresh_key(40))
        self._accesses[access.key] = access
        runtime.when_over.append(lambda: self._forget(access))
        return access

    def knows(self, key: str) -> bool:
        """Say whether a tunnel's key is one to terminals."""
        return key in self._accesses

    def enter(self, key: str, tokens: Sequence[str]) -> str:
        """Give the devbox that a key leads to.

        Raises:
            ApiProblem: 401 without the right token.
        """
        access = self._accesses[key]
        check_token(access.token, tokens)
        return access.devbox_id

    def devbox_by(self, token: str) -> str | None:
        """Give the devbox whose terminals a token opens."""
        return next((one.devbox_id for one in self._accesses.values() if one.token == token), None)

    def devbox_of(self) -> str:
        """Give the devbox of a request that names none: the only one there is a way to.

        Raises:
            ApiProblem: 400, if there are others, or none.
        """
        known = {access.devbox_id for access in self._accesses.values()}
        if len(known) != 1:
            message = (
                f"This request names no devbox, and {len(known)} have a way to their terminals. Call"
                " create_pty_tunnel, and send its auth_token as the bearer token, or ask under"
                f" /_emulator/tunnels/{PORT}-<tunnel_key>."
            )
            raise bad_request(message)
        return known.pop()

    async def connect(self, devbox_id: str, name: str, *, size: tuple[int, int] | None) -> tuple[Session, bool]:
        """Find a terminal, or make it; the second is whether it was made.

        Raises:
            ApiProblem: 400 for a name that is none or a devbox that doesn't run, 503 if the shell can't be started.
        """
        _check(name)
        runtime, machine = self._roster.running(devbox_id)
        async with self._opening:
            session = self._sessions.get((devbox_id, name))
            if session is not None:
                if size is not None:
                    session.resize(*size)
                return session, False
            cols, rows = size or DEFAULT_SIZE
            try:
                terminal = await machine.terminal(env=runtime.record.environment, cols=cols, rows=rows)
            except OSError as error:
                raise ApiProblem(503, f"The shell of terminal {name!r} could not be started: {error}.") from None
            session = self._sessions[devbox_id, name] = Session(name, terminal, size=(cols, rows))
            self._roster.spawn(self._remove(session, (devbox_id, name), runtime))
            return session, True

    def find(self, devbox_id: str, name: str) -> Session:
        """Find a terminal.

        Raises:
            ApiProblem: 400 for a name that is none, 404.
        """
        _check(name)
        session = self._sessions.get((devbox_id, name))
        if session is None:
            raise not_found("PTY session", name)
        return session

    def close(self, devbox_id: str, session: Session) -> None:
        """End a terminal; its name is free at once."""
        self._sessions.pop((devbox_id, session.name), None)
        session.close()

    def touch(self, devbox_id: str) -> None:
        """Note that somebody uses a devbox's terminal."""
        runtime = self._roster.held(devbox_id)
        if runtime is not None:
            runtime.touch()

    async def _remove(self, session: Session, key: tuple[str, str], runtime: Runtime) -> None:
        await session.ended.wait()
        runtime.touch()
        if self._sessions.get(key) is session:
            del self._sessions[key]

    def _forget(self, access: Access) -> None:
        self._accesses.pop(access.key, None)


def signal_number(name: str) -> int:
    """Give a signal's number.

    Raises:
        ApiProblem: 400 for a name that is none.
    """
    with contextlib.suppress(KeyError, ValueError):
        return signal.Signals[name]
    raise bad_request(f"signal: {name!r} is not the name of a signal, such as SIGTERM.")


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise bad_request(f"session_name: {name!r} is not 1 to 256 letters, digits, '_' and '-'.")
