"""One cassette at work: that of the running test, of a shared sandbox, or of a preparation."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from pytest_runloop.cassettes.exchange import Request
from pytest_runloop.cassettes.playing.replay import Unrecorded
from pytest_runloop.cassettes.takes.notes import Note
from pytest_runloop.cassettes.takes.taking import Take


class Mode(Enum):
    """What a cassette is for, this time."""

    REPLAY = "replay"
    RECORD = "record"
    VERIFY = "verify"


@dataclass(eq=False, kw_only=True)
class Job:
    """A cassette and what is to become of it.

    Attributes:
        path: The file, absolute.
        what: Whose it is: ``test``, ``shared`` or ``prepared``.
        name: Of the test or the sandbox; what is written is named by it, so it must be the same in every run.
        mode: What it is for.
        command: What a user types to record it.
        target: Where it is recorded: ``live`` or ``emulator``.
        keys: What else its header says, such as the key of its spec.
        misses: What was refused. The test has failed if there is any, even if somebody caught it.
        touched: Whether anything was asked for.
        closed: Whether its test has ended.
        deck: What plays it, once it does; the library's own.
        scrubber: What knows its secrets; the library's own.
        take: What was taken down.
    """

    path: Path
    what: str
    name: str
    mode: Mode
    command: str = ""
    target: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    misses: list[Unrecorded] = field(default_factory=list, init=False)
    touched: bool = field(default=False, init=False)
    closed: bool = field(default=False, init=False)
    deck: object = field(default=None, init=False, repr=False)
    scrubber: object = field(default=None, init=False, repr=False)
    take: Take = field(init=False, repr=False)
    _open: set[Note] = field(default_factory=set, init=False, repr=False)
    _attempts: _Attempts = field(init=False, repr=False)
    lock: threading.RLock = field(default_factory=threading.RLock, init=False, repr=False)

    def __post_init__(self) -> None:
        self.take = Take(self.name)
        self._attempts = _Attempts()

    def note(self, request: Request, headers: Mapping[str, str]) -> Note:
        """Begin to take a request down; requests are kept in the order in which they come here."""
        with self.lock:
            number = self.take.begin(request, self._attempts.of(request, headers))
            note = Note(self.take, number, request.host, self._open.discard)
            self._open.add(note)
            return note

    def close(self) -> None:
        """Take no more. What a client is still reading is kept as far as it came."""
        with self.lock:
            self.closed = True
            unfinished = tuple(self._open)
        for note in unfinished:
            note.cut()

    def hold(self, miss: Unrecorded) -> Unrecorded:
        """Keep a refusal beside what is raised: clients may swallow that. Repetitions are the same refusal."""
        with self.lock:
            if miss.message not in {held.message for held in self.misses}:
                self.misses.append(miss)
        return miss


class _Attempts:
    """What ties the attempts of one call together.

    Runloop's client says it with an id of its own; others only count, so equal requests are tied by their count.
    """

    def __init__(self) -> None:
        self._first: dict[tuple[str, str, str, bytes], int] = {}
        self._calls = 0

    def of(self, request: Request, headers: Mapping[str, str]) -> str:
        for name in ("x-request-id", "idempotency-key"):
            if headers.get(name):
                return headers[name]
        count = headers.get("x-stainless-retry-count", "")
        if not count.isdigit():
            return ""
        call = (request.method, request.host, request.path, request.body)
        if count == "0" or call not in self._first:
            self._calls += 1
            self._first[call] = self._calls
        return f"call-{self._first[call]}"
