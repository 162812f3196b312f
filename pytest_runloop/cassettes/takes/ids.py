"""Names for what a server numbers, so that recording the same again gives the same text. Pure.

An id is named after the request whose answer first told it, and never after the id: another run gets other ids.
"""

from __future__ import annotations

import hashlib
import re
import threading
import uuid
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from pytest_runloop.cassettes.exchange import OPENAI, RUNLOOP, Exchange, Request, Response

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PREFIXED = r"[a-z]{2,10}_[A-Za-z0-9]{6,}"
_ID = re.compile(rf"(?<![A-Za-z0-9])(?:{_UUID}|{_PREFIXED})(?![A-Za-z0-9])".encode())
_INSIDE = (
    re.compile(b"_(?<=[a-z][a-z]_)(?=[A-Za-z0-9]{6})"),
    re.compile(b"-(?=[0-9a-f]{4}-[0-9a-f]{4}-)"),
)
"""What stands after the first letters of an id: found many times faster than what begins with any letter."""

_FIRST_LETTERS, _MOST_LETTERS = b"abcdefghijklmnopqrstuvwxyz0123456789", 11
_RANDOM = r"(?=[a-z]+_[A-Za-z]*[0-9A-Z])"
_TOLD = re.compile(rf'"((?:[a-z_]+_)?id)"\s*:\s*"({_UUID}|{_RANDOM}{_PREFIXED})"'.encode())
"""In JSON and in events of it alike; ``web_search`` is a word and no id."""

_ASIDE = b"blueprint_id"
"""Told of devboxes by name, in passing: named in each cassette anew, as which one a process makes first is chance."""

_SERVICES = frozenset({RUNLOOP, OPENAI})
_DIGITS = 16


def named(raw: str, role: str) -> str:
    """Return the name of an id that plays a role: its prefix and a digest of the role; for a UUID, another UUID."""
    digest = hashlib.sha256(role.encode("utf-8", "surrogatepass"))
    if re.fullmatch(_UUID, raw):
        return str(uuid.UUID(bytes=digest.digest()[:16], version=4))
    return f"{raw.partition('_')[0]}_{digest.hexdigest()[:_DIGITS]}"


class Renaming:
    """The names of all ids of a process, whichever cassettes mention them."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._here: dict[str, str] = {}
        self._lock = threading.RLock()

    def call(self, raw: str, role: str) -> None:
        """Name an id by the role it plays in several cassettes; the first role it gets lasts."""
        with self._lock:
            self._names.setdefault(raw, named(raw, role))

    def renamed(
        self, exchanges: Sequence[Exchange], label: str, *, key_of: Callable[[Request], str]
    ) -> tuple[Exchange, ...]:
        """Return exchanges with names in place of ids.

        Args:
            exchanges: A whole recording, in order of issue.
            label: Whose it is.
            key_of: What a request means; it gets requests with names in them.
        """
        with self._lock:
            return tuple(self._renamed(exchanges, label, key_of))

    def _renamed(
        self, exchanges: Sequence[Exchange], label: str, key_of: Callable[[Request], str]
    ) -> Iterator[Exchange]:
        asked: Counter[str] = Counter()
        seen: set[str] = set()
        self._here = {}
        for exchange in exchanges:
            # What was known before any answer told it, such as a user's blueprint, keeps its id.
            seen |= _ids_in(exchange.request)
            request = self._request(exchange.request)
            if exchange.response is None:
                yield replace(exchange, request=request)
                continue
            if request.host in _SERVICES:
                key = key_of(request)
                asked[key] += 1
                self._name(exchange.response, seen, f"{label}\n{key}\n{asked[key]}")
            yield replace(exchange, request=request, response=self._response(exchange.response))

    def _name(self, response: Response, seen: set[str], role: str) -> None:
        number = 0
        for kind, found in _TOLD.findall(response.content):
            raw = found.decode()
            names = self._here if kind == _ASIDE else self._names
            if raw not in seen and raw not in names:
                number += 1
                names[raw] = named(raw, f"{role}\n{number}")
            seen.add(raw)

    def _request(self, request: Request) -> Request:
        host, path = (self._text(text) for text in (request.host, request.path))
        body = self._content(request.body)
        if body is request.body and (host, path) == (request.host, request.path):
            return request
        return replace(request, host=host, path=path, body=body)

    def _response(self, response: Response) -> Response:
        content = response.content
        if not response.chunks or self._content(content) is content:
            return response
        return replace(response, chunks=tuple(self._pieces(response.chunks, content)))

    def _pieces(self, chunks: Sequence[bytes], content: bytes) -> Iterator[bytes]:
        """Cut where it was cut; an id that lies in two pieces goes whole to the later one."""
        start = position = 0
        known = [match.span() for match in _ids(content) if self._name_of(match) != match[0]]
        for chunk in chunks:
            position += len(chunk)
            begin, until = known[bisect_left(known, (position,)) - 1] if known else (0, 0)
            end = begin if begin < position < until else position
            yield self._content(content[start:end])
            start = end

    def _text(self, text: str) -> str:
        return self._content(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def _content(self, content: bytes) -> bytes:
        """Return content with names; the same object if there is nothing to name, or if it is binary.

        What is binary may say how long its parts are, and a name may be shorter than its id.
        """
        if b"\0" in content:
            return content
        pieces, end = [], 0
        for match in _ids(content):
            name = self._name_of(match)
            if name != match[0]:
                pieces += [content[end : match.start()], name]
                end = match.end()
        return b"".join([*pieces, content[end:]]) if pieces else content

    def _name_of(self, match: re.Match[bytes]) -> bytes:
        raw = match[0].decode()
        return (self._here.get(raw) or self._names.get(raw, raw)).encode()


def _ids_in(request: Request) -> set[str]:
    texts = (request.path.encode("utf-8", "surrogatepass"), request.body)
    return {match[0].decode() for text in texts for match in _ids(text)}


def _ids(content: bytes) -> Iterator[re.Match[bytes]]:
    """Yield what ``_ID.finditer`` would, in a fraction of the time: megabytes go through here."""
    end = 0
    for place in sorted(found.start() for inside in _INSIDE for found in inside.finditer(content)):
        before = content[max(0, place - _MOST_LETTERS) : place]
        start = place - len(before) + len(before.rstrip(_FIRST_LETTERS))
        match = _ID.match(content, start) if start >= end else None
        if match is not None:
            end = match.end()
            yield match
