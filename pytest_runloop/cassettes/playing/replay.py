"""A cassette that is played: what is asked today gets the answers that were recorded."""

from __future__ import annotations

import shlex
import threading
from collections import Counter
from pathlib import Path

from pytest_runloop import tape
from pytest_runloop.cassettes.exchange import Request, Response
from pytest_runloop.cassettes.files.layout import Cassette, Header
from pytest_runloop.cassettes.playing import answers, life, mismatch, words
from pytest_runloop.cassettes.playing.meaning import NO_RULES, Rules
from pytest_runloop.cassettes.playing.shelf import Shelf
from pytest_runloop.cassettes.playing.volatile import Pairs


class Unrecorded(BaseException):
    """Report a request that no recording answers.

    No ``Exception``: the vendor's client would try again for half a minute, and the SDK's shutdown and resume would
    hide it.

    Attributes:
        message: What to say about it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Unanswered(Exception):
    """Report a request whose client gave up waiting when it was recorded, so that there is no answer to give."""


class Tape:
    """A cassette that is played. May be used from several threads.

    Attributes:
        path: The cassette's file.
        label: Whose cassette it is: the test's node id, as a rule.
        header: What the cassette says of its recording, if it says anything.
        shelf: What is on it.
        is_touched: Whether anything was asked for.
        miss: What was said about the request that nothing answered; after it, nothing is answered any more.
    """

    def __init__(
        self, cassette: Cassette, *, path: Path, label: str, rules: Rules = NO_RULES, command: str = ""
    ) -> None:
        """Put a cassette in.

        Args:
            cassette: What is played.
            path: Its file, for messages.
            label: Whose it is.
            rules: What the user declares volatile.
            command: What records it again; made from the label if it is not given.
        """
        self.path = path
        self.label = label
        self.header = cassette.header
        self.shelf = Shelf(cassette.exchanges, rules=rules)
        self.is_touched = False
        self.miss = ""
        self._command = command or _command(label, cassette.header)
        self._pairs = Pairs()
        self._lock = threading.Lock()

    def play(self, request: Request) -> Response:
        """Return the answer to a request.

        Raises:
            Unrecorded: There is none, or there was none to an earlier request.
            Unanswered: The recorded client had given up.
        """
        with self._lock:
            response = self._answer(request)
        # Outside: it concerns the task that asked, nobody else.
        waited_s = life.waited_s(request, response)
        if waited_s:
            tape.skip(waited_s)
        return response

    def leftovers(self) -> list[str]:
        """Return in words what was recorded and not asked for; looks left out."""
        with self._lock:
            counts = Counter(words.of(slot.exchange.request) for slot in self.shelf.unplayed())
        return [text if count == 1 else f"{text} (×{count})" for text, count in counts.items()]

    def _answer(self, request: Request) -> Response:
        self.is_touched = True
        if self.miss:
            raise Unrecorded(self.miss)
        asked = answers.asked(request, self._pairs)
        taken = self.shelf.take(asked)
        if taken is None:
            self.miss = mismatch.explain(asked, self, self._command)
            raise Unrecorded(self.miss)
        slot, recorded, today = taken
        self._pairs.learn(recorded, [self._pairs.today(value) for value in today])
        if slot.exchange.response is None:
            message = f"{words.of(asked)}: the client gave up waiting when this was recorded"
            raise Unanswered(message)
        return answers.today(slot.exchange.response, self._pairs)


def _command(label: str, header: Header | None) -> str:
    target = f" --runloop-target={header.target}" if header is not None and header.target else ""
    return f"pytest {shlex.quote(label)}{target} --runloop-record=all"
