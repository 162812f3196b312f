"""A new recording in the words of the old one where both mean the same, so that a diff shows what changed. Pure.

The nth request of a meaning is paired with the nth of the old recording. If the answers mean the same too, the old
exchange stays as it is written, times and all; else the new one takes its place. Requests beyond those come after what
they came after.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from pytest_runloop.cassettes.exchange import Exchange, Request, Response

_LONG_HEX = re.compile(r"[0-9a-f]{12,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TELLING = re.compile(r"(?=.*\d).{8,}", re.DOTALL)
"""What may mean something else elsewhere, so that nothing is written as it was only because it holds this."""

_FIRST = -1


def merged(
    old: Sequence[Exchange],
    new: Sequence[Exchange],
    *,
    key_of: Callable[[Request], str],
    same_answer: Callable[[Response, Response], bool],
    volatile_of: Callable[[Request], Sequence[str]],
) -> tuple[Exchange, ...]:
    """Return what to write: *new*, with what the old recording has of it as it stands there, in its order."""
    slots = _Slots(old, key_of)
    keys = [key_of(exchange.request) for exchange in new]
    places = [slots.take(key) for key in keys]
    made_up = [
        (volatile_of(old[place].request), volatile_of(exchange.request))
        for exchange, place in zip(new, places, strict=True)
        if place is not None
    ]
    spelled, compared = _Respelling(made_up, _LONG_HEX), _Respelling(made_up, _TELLING)
    followers: dict[int, list[Exchange]] = defaultdict(list)
    written: dict[int, Exchange] = {}
    anchors = _Anchors()
    for exchange, key, place in zip(map(spelled.exchange, new), keys, places, strict=True):
        if place is None:
            followers[anchors.of(key)].append(exchange)
            continue
        anchors.move(key, place)
        is_same = _same(old[place].response, compared.exchange(exchange).response, same_answer)
        written[place] = old[place] if is_same else exchange
    ordered = list(followers[_FIRST])
    for place in sorted(written):
        ordered += [written[place], *followers[place]]
    return tuple(ordered)


class _Slots:
    """The old exchanges by meaning, each given away once."""

    def __init__(self, old: Iterable[Exchange], key_of: Callable[[Request], str]) -> None:
        self._free: dict[str, list[int]] = defaultdict(list)
        for place, exchange in enumerate(old):
            self._free[key_of(exchange.request)].append(place)
        for places in self._free.values():
            places.reverse()

    def take(self, key: str) -> int | None:
        free = self._free.get(key)
        return free.pop() if free else None


class _Anchors:
    """After which old exchange an additional one goes: the one before it, but never before an equal request."""

    def __init__(self) -> None:
        self._last = _FIRST
        self._of_key: dict[str, int] = {}

    def move(self, key: str, place: int) -> None:
        self._last = place
        self._of_key[key] = max(place, self._of_key.get(key, _FIRST))

    def of(self, key: str) -> int:
        self.move(key, max(self._last, self._of_key.get(key, _FIRST)))
        return self._last


class _Respelling:
    """Values that were made up anew, as the old recording has them.

    Without this a recording that is half old and half new would speak of one session under two names.
    """

    def __init__(self, pairs: Iterable[tuple[Sequence[str], Sequence[str]]], which: re.Pattern[str]) -> None:
        found: dict[str, str] = {}
        taken: set[str] = set()
        for before, now in pairs:
            for old, new in zip(before, now, strict=False):
                # A short value, or a word, may mean something else elsewhere.
                if which.fullmatch(new) and which.fullmatch(old) and new not in found and old not in taken:
                    found[new] = old
                    taken.add(old)
        self._spelled: Mapping[str, str] = {new: old for new, old in found.items() if new != old}
        known = "|".join(sorted(map(re.escape, self._spelled), key=len, reverse=True))
        self._texts = re.compile(known) if known else None
        self._bytes = re.compile(known.encode()) if known else None

    def exchange(self, exchange: Exchange) -> Exchange:
        if self._texts is None:
            return exchange
        request, response = exchange.request, exchange.response
        path = self._texts.sub(lambda match: self._spelled[match[0]], request.path)
        request = replace(request, path=path, body=self._content(request.body))
        if response is not None:
            # Pieces are cut between events, so nothing is lost by looking at each.
            response = replace(response, chunks=tuple(map(self._content, response.chunks)))
        return replace(exchange, request=request, response=response)

    def _content(self, content: bytes) -> bytes:
        if self._bytes is None:
            return content
        return self._bytes.sub(lambda match: self._spelled[match[0].decode()].encode(), content)


def _same(old: Response | None, new: Response | None, same_answer: Callable[[Response, Response], bool]) -> bool:
    if old is None or new is None:
        return old is new
    return same_answer(old, new)
