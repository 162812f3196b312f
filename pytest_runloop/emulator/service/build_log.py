"""A build's log while it grows, bounded, and without the values of secrets."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.builds import BuildLogEntry
from pytest_runloop.emulator.service.identity import now_ms
from pytest_runloop.emulator.service.outputs import tail

if TYPE_CHECKING:
    from pytest_runloop.emulator.machine.output import Output

MAX_ENTRIES = 5_000
"""The last lines of a build."""
MAX_STEP_LINES = 1_000
"""The last lines of one step."""
MAX_LINE = 2_000
_HIDDEN = "***"


class BuildLog:
    """What a build has to say."""

    def __init__(self, *, secrets: Collection[str] = ()) -> None:
        # The longest first: one may be part of another.
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)
        self._entries: deque[BuildLogEntry] = deque(maxlen=MAX_ENTRIES)
        self._running: Output | None = None

    def say(self, message: str, *, level: str = "INFO") -> None:
        """Add a message."""
        self._entries.append(self._entry(message, level=level))

    def follow(self, output: Output) -> None:
        """Show what a step prints from now on; `settle` keeps it."""
        self._running = output

    def settle(self) -> None:
        """Keep what the step has printed, which is over."""
        self._entries.extend(self._printed())
        self._running = None

    def entries(self) -> list[BuildLogEntry]:
        """Give all there is, what the running step has printed so far included."""
        return [*self._entries, *self._printed()][-MAX_ENTRIES:]

    def _printed(self) -> Iterator[BuildLogEntry]:
        text, cut = tail(self._running, lines=MAX_STEP_LINES)
        if cut:
            yield self._entry("(earlier lines were dropped)")
        for line in text.splitlines():
            yield self._entry(line)

    def _entry(self, message: str, *, level: str = "INFO") -> BuildLogEntry:
        for secret in self._secrets:
            message = message.replace(secret, _HIDDEN)
        return BuildLogEntry(level=level, message=message[:MAX_LINE], timestamp_ms=now_ms())
