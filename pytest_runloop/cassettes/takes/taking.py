"""What is recorded, while it happens: in order of issue, and without what a client had to ask again for. Pure.

Retries and polls depend on how fast the other side was that day. A replay needs only how they ended.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from pytest_runloop.cassettes.exchange import Exchange, Request, Response
from pytest_runloop.cassettes.playing import beginnings, changes
from pytest_runloop.cassettes.takes import builds, polls

_RETRIED = frozenset({408, 409, 429})
_SERVER_ERRORS = 500


class Take:
    """One recording that is being made; any thread may add to it.

    Attributes:
        label: Whose it is.
    """

    def __init__(self, label: str) -> None:
        self.label = label
        self._exchanges: list[Exchange] = []
        self._lost: set[int] = set()
        self._lock = threading.Lock()

    def begin(self, request: Request, retry_of: str = "") -> int:
        """Note a request that is about to be sent, and return its number for :meth:`end`.

        Args:
            request: As it will be matched.
            retry_of: What ties attempts of one call together; empty if nothing does.
        """
        with self._lock:
            self._exchanges.append(Exchange(request=request, response=None, retry_of=retry_of))
            return len(self._exchanges) - 1

    def end(self, number: int, response: Response | None) -> None:
        """Note how a request ended; None: its client gave up."""
        with self._lock:
            self._exchanges[number] = replace(self._exchanges[number], response=response)

    def lose(self, number: int) -> None:
        """Forget a request whose connection broke: it was never answered, nor given up."""
        with self._lock:
            self._lost.add(number)

    def exchanges(self) -> tuple[Exchange, ...]:
        """Return what a replay needs of it, in order of issue; what is still under way has no answer."""
        with self._lock:
            taken = tuple(one for number, one in enumerate(self._exchanges) if number not in self._lost)
        return beginnings.folded(changes.folded(builds.folded(polls.settled(without_retried(taken)))))


def without_retried(exchanges: Sequence[Exchange]) -> list[Exchange]:
    """Return the calls: of several attempts the last, in the place of the first.

    Answers of equal calls are given in the order in which the calls began, whichever of them had to be repeated.
    """
    calls: list[Exchange] = []
    places: dict[str, int] = {}
    for exchange in exchanges:
        place = places.get(exchange.retry_of) if exchange.retry_of else None
        if place is not None and _is_retried(calls[place]):
            calls[place] = exchange
            continue
        places[exchange.retry_of] = len(calls)
        calls.append(exchange)
    return calls


def _is_retried(exchange: Exchange) -> bool:
    """Whether a client would have asked again after that."""
    response = exchange.response
    if response is None or not response.complete:
        return True
    wish = response.headers.get("x-should-retry", "")
    if wish in {"true", "false"}:
        return wish == "true"
    return response.status in _RETRIED or response.status >= _SERVER_ERRORS
