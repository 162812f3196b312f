"""Cassettes as files: opened to be played, written when their test has passed, compared with what came today."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path

from pytest_runloop.cassettes.exchange import Request
from pytest_runloop.cassettes.files import document
from pytest_runloop.cassettes.files.document import Cassette, Header
from pytest_runloop.cassettes.playing import meaning, words
from pytest_runloop.cassettes.playing.meaning import Rules
from pytest_runloop.cassettes.playing.replay import Tape, Unrecorded
from pytest_runloop.cassettes.secrets.scrubbing import Scrubber
from pytest_runloop.cassettes.takes import compare
from pytest_runloop.cassettes.takes.ids import Renaming
from pytest_runloop.cassettes.traffic.hooks import Hooks, Selection
from pytest_runloop.cassettes.traffic.jobs import Job, Mode
from pytest_runloop.errors import CassetteError

_MOST = 4
"""Polls in vain after which nobody is held for longer."""


class Library:
    """The files of all cassettes of a process.

    Attributes:
        written: Those that have changed.
    """

    def __init__(self, scrubber: Scrubber, rules: Rules, hooks: Hooks, versions: Mapping[str, str]) -> None:
        self.written: list[Path] = []
        self._scrubber = scrubber
        self._rules = rules
        self._hooks = hooks
        self._versions = versions
        self._renaming = Renaming()

    def call_id(self, raw: str, role: str) -> None:
        """Give an id the same name in every cassette."""
        self._renaming.call(raw, role)

    def scrubber(self, job: Job) -> Scrubber:
        """Return what knows the secrets of a cassette."""
        with job.lock:
            if not isinstance(job.scrubber, Scrubber):
                job.scrubber = self._scrubber.scoped()
            return job.scrubber

    def deck(self, job: Job, request: Request, host_of: Callable[[str], str]) -> Deck:
        """Return what plays a cassette; it is read by the first request.

        Args:
            job: The cassette.
            request: What was asked.
            host_of: Returns the real host of a recorded one.

        Raises:
            Unrecorded: There is none, or it can't be read.
        """
        with job.lock:
            if isinstance(job.deck, Deck):
                return job.deck
            if document.find(job.path) is None:
                raise Unrecorded(_missing(job, words.of(request), host_of(request.host)))
            try:
                job.deck = deck = self._opened(job)
            except CassetteError as error:
                raise Unrecorded(str(error)) from error
            return deck

    def closed(self, job: Job) -> list[str]:
        """Do with a cassette what is to be done when its test has passed; return what is wrong, in words."""
        if job.mode is Mode.REPLAY:
            return self._unplayed(job)
        if not job.touched and not job.path.is_file():
            return []
        if job.mode is Mode.VERIFY:
            if document.find(job.path) is None:
                return [f"there is no cassette to compare with: {job.path}; record it: {job.command}"]
            return compare.differences(document.read(job.path), self._cassette(job), self._rules)
        if job.touched:
            return self._write(job, self._cassette(job))
        # Its test sends nothing any more, and would be told in every replay what it leaves.
        job.path.unlink()
        self.written.append(job.path)
        return []

    def _opened(self, job: Job) -> Deck:
        recorded = document.read(job.path)
        exchanges = tuple(filter(None, map(self._hooks.loaded, recorded.exchanges)))
        played = Cassette(header=recorded.header, exchanges=exchanges)
        path = document.find(job.path) or job.path
        tape = Tape(played, path=path, label=job.name, rules=self._rules, command=job.command)
        return Deck(tape, Selection(self._hooks, [exchange.request for exchange in exchanges]))

    def _unplayed(self, job: Job) -> list[str]:
        if document.find(job.path) is None:
            return []
        # A test that asked for nothing has left everything.
        with job.lock:
            deck = job.deck if isinstance(job.deck, Deck) else self._opened(job)
        return deck.tape.leftovers()

    def _cassette(self, job: Job) -> Cassette:
        taken = tuple(filter(None, map(self._hooks.answered, job.take.exchanges())))
        scrubber = self.scrubber(job)
        renamed = self._renaming.renamed(scrubber.exchanges(taken), job.name, key_of=self._key_of)
        exchanges = tuple(filter(None, map(self._hooks.saved, renamed)))
        today = datetime.now(timezone.utc).date().isoformat()
        header = Header(
            what=job.what, name=job.name, target=job.target, date=today, versions=self._versions, keys=job.keys
        )
        return Cassette(header=header, exchanges=exchanges)

    def _write(self, job: Job, fresh: Cassette) -> list[str]:
        try:
            changed = document.write(
                job.path,
                fresh,
                key_of=self._key_of,
                same_answer=compare.same_answer,
                volatile_of=self._volatile_of,
                check=functools.partial(_check, self.scrubber(job)),
            )
        except _Leak as leak:
            problem = (
                f"the recording showed {leak}, so it was not kept: {job.path}; keep that out of what the sandbox "
                "prints and of what is sent to it, or name its value among the secrets"
            )
            return [problem]
        if changed:
            self.written.append(job.path)
        return []

    def _key_of(self, request: Request) -> str:
        return meaning.of(request, self._rules).key

    def _volatile_of(self, request: Request) -> tuple[str, ...]:
        return meaning.of(request, self._rules).volatile


class Deck:
    """A cassette that is being played, and what the user's matchers have given out of it."""

    def __init__(self, tape: Tape, selection: Selection) -> None:
        self.tape = tape
        self.selection = selection
        self._in_vain: Counter[str] = Counter()

    def patience_s(self, request: Request) -> float:
        """Return for how long to hold a client that polls where the recorded one gave up.

        Its own time-out comes with the first such poll, or soon; somebody else's, which cancels it, after seconds.
        """
        before, self._in_vain[request.path] = self._in_vain[request.path], self._in_vain[request.path] + 1
        return 10.0 ** (min(before, _MOST) - 3) if before else 0.0


class _Leak(Exception):
    """Report what is secret in something that was about to be written: names, never values."""


def _check(scrubber: Scrubber, content: bytes) -> None:
    leaks = scrubber.leaks(content)
    if leaks:
        raise _Leak(", ".join(leaks))


def _missing(job: Job, asked: str, host: str) -> str:
    own = (
        "" if job.what == "test" else "  each description of what is shared or prepared has its own: was it changed?\n"
    )
    return (
        f"{job.name}: nothing is recorded, and the first thing it did was to {asked} ({host})\n"
        f"  there is no {job.path}\n{own}  record it:\n    {job.command}"
    )
