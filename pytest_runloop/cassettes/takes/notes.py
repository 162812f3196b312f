"""Taking down one request that is on its way to the service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from pytest_runloop.cassettes.exchange import OPENAI, RUNLOOP, Response

_EVENTS = "text/event-stream"

_SERVICES = (RUNLOOP, OPENAI)
_KEPT = frozenset({
    "allow",
    "cache-control",
    "content-disposition",
    "content-language",
    "content-range",
    "content-type",
    "etag",
    "last-modified",
    "link",
    "location",
    "retry-after",
    "www-authenticate",
    "x-should-retry",
})  # fmt: skip
"""Of a service, only what clients look at: nobody can know what else is in its headers."""

_LEFT_OUT = frozenset({
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "date",
    "keep-alive",
    "server",
    "set-cookie",
    "transfer-encoding",
})  # fmt: skip
"""Of a program in a sandbox, everything else is kept: it is the user's own, and may be what a test is about."""


class Ending(Protocol):
    """What a note is handed in to."""

    def end(self, number: int, response: Response | None) -> None:
        """Note how a request ended; None: its client gave up."""

    def lose(self, number: int) -> None:
        """Forget a request whose connection broke."""


class Note:
    """What is known of one answer so far."""

    def __init__(self, take: Ending, number: int, host: str, done: Callable[[Note], None]) -> None:
        self._take = take
        self._number = number
        self._host = host
        self._done = done
        self._head: Response | None = None
        self._decode: Callable[[list[bytes]], list[bytes]] = list
        self._raw: list[bytes] = []
        self._over = False

    def began(
        self, status: int, reason: str, headers: Mapping[str, str], decode: Callable[[list[bytes]], list[bytes]]
    ) -> None:
        self._head = Response(status=status, reason=reason, headers=kept(headers, self._host))
        self._decode = decode

    def chunk(self, data: bytes) -> None:
        self._raw.append(data)

    def end(self, *, complete: bool) -> None:
        if self._over or self._head is None:
            return
        head = self._head
        pieces = self._decode(self._raw)
        if not head.headers.get("content-type", "").startswith(_EVENTS):
            pieces = [b"".join(pieces)]
        chunks = tuple(piece for piece in pieces if piece)
        whole = Response(status=head.status, reason=head.reason, headers=head.headers, chunks=chunks, complete=complete)
        self._hand_in(whole)

    def lose(self) -> None:
        if not self._over:
            self._take.lose(self._number)
            self._close()

    def give_up(self) -> None:
        if not self._over:
            self._hand_in(None)

    def cut(self) -> None:
        """Keep what came so far; of what has not been answered at all, nothing."""
        if self._head is None:
            self.lose()
        self.end(complete=False)

    def _hand_in(self, response: Response | None) -> None:
        self._take.end(self._number, response)
        self._close()

    def _close(self) -> None:
        self._over = True
        self._raw = []
        self._done(self)


def kept(headers: Mapping[str, str], host: str) -> dict[str, str]:
    """Return the headers that are recorded, by name in lower case."""
    by_name = {name.lower(): value for name, value in headers.items()}
    if host.endswith(".sandbox"):
        return {name: value for name, value in by_name.items() if name not in _LEFT_OUT}
    return {name: value for name, value in by_name.items() if name in _KEPT}
