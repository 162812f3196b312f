"""Where traffic meets cassettes: played from one, taken down for one, refused, or let through.

Every request to a recorded host belongs to one cassette: that of ``tape.CURRENT``, else the running test's. Whatever
thread or loop it comes from, it ends up here, because the classes of the HTTP libraries are patched.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_runloop import tape
from pytest_runloop.cassettes.exchange import OPENAI, Request, Response
from pytest_runloop.cassettes.places import Places, Url
from pytest_runloop.cassettes.playing import life, words
from pytest_runloop.cassettes.playing.meaning import Rules
from pytest_runloop.cassettes.playing.replay import Unanswered, Unrecorded
from pytest_runloop.cassettes.secrets.scrubbing import Scrubber
from pytest_runloop.cassettes.traffic import patience
from pytest_runloop.cassettes.traffic.guard import Guard
from pytest_runloop.cassettes.traffic.hooks import Hooks
from pytest_runloop.cassettes.traffic.jobs import Job, Mode
from pytest_runloop.cassettes.traffic.library import Library
from pytest_runloop.cassettes.traffic.patches import Patches
from pytest_runloop.cassettes.traffic.transports import GaveUp, Late, Recording, Transports

if TYPE_CHECKING:
    from pytest_runloop.cassettes.traffic.other_clients import OtherClients

_TRACES = "/v1/traces/ingest"
_SWALLOWED = Response(status=204, reason="No Content")


class Studio:
    """All cassettes of a process, and the patches by which traffic finds them.

    Args:
        base_url: Where the Runloop API is.
        replay: Whether nothing may reach the recorded hosts outside of any cassette either.
        scrubber: Knows the secrets.
        rules: What is volatile.
        vcr_config: The user's configuration of vcrpy; ``hooks`` says what of it counts.
        configure: Called with the ``vcr.VCR`` that the configuration is applied to, to register matchers.
        hosts: Names of other hosts that the user wants recorded.
        versions: What a recording says it was made with.
        refusal: Makes what is raised for a message, so that whoever runs the tests may know it.

    Attributes:
        misses: What was refused outside of any cassette.
    """

    def __init__(
        self,
        *,
        base_url: str,
        replay: bool,
        scrubber: Scrubber,
        rules: Rules,
        vcr_config: Mapping[str, object] | None = None,
        configure: Callable[[object], None] | None = None,
        hosts: Collection[str] = (),
        versions: Mapping[str, str] | None = None,
        refusal: Callable[[str], Unrecorded] = Unrecorded,
    ) -> None:
        self.misses: list[Unrecorded] = []
        self._refusal = refusal
        self._replay = replay
        self._scrubber = scrubber
        self._places = Places(base_url, hosts)
        self._hooks = Hooks(vcr_config or {}, configure, rules=rules)
        self._library = Library(scrubber, rules, self._hooks, versions or {})
        self._whose: Callable[[], Job | None] = lambda: None
        self._lock = threading.Lock()
        self._transports: Transports | None = None
        self._others: OtherClients | None = None
        self._clocks = Patches()
        self._guard = Guard(self._check)

    @property
    def written(self) -> list[Path]:
        """The files that have changed."""
        return self._library.written

    def serve(self, base_url: str) -> None:
        """Take one more address for that of the Runloop API."""
        self._places.serve(base_url)

    def install(self) -> None:
        """Have all traffic come here. Idempotent."""
        if self._transports is None:
            self._transports = Transports(self)
            self._transports.install()
            self._guard.install()

    def close(self) -> None:
        """Put back everything that was patched. Idempotent."""
        if self._others is not None:
            self._others.close()
            self._others = None
        if self._transports is not None:
            self._transports.close()
            self._transports = None
        self._clocks.close()
        self._guard.close()

    # ── cassettes ────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, job: Job) -> None:
        """Make a cassette the running test's: it gets every request that belongs to no other."""
        self.ask(lambda: None if job.closed else job)

    def ask(self, whose: Callable[[], Job | None]) -> None:
        """Find out whose the running test's cassette is when something is sent: most tests never send anything."""
        self._whose = whose

    @contextlib.contextmanager
    def within(self, job: Job) -> Iterator[None]:
        """Have what is sent from here, and by tasks and jobs begun here, belong to a cassette."""
        token = tape.CURRENT.set(job)
        try:
            yield
        finally:
            tape.CURRENT.reset(token)

    def finish(self, job: Job, *, keep: bool) -> list[str]:
        """Close a cassette, and return what is wrong with it, in words.

        Args:
            job: Which one.
            keep: Whether its test passed. If not, a recording is dropped and the old file stays as it is.
        """
        job.close()
        return self._library.closed(job) if keep and not job.misses else []

    def call_id(self, raw: str, role: str) -> None:
        """Give an id that several cassettes mention the name that all of them write for it."""
        self._library.call_id(raw, role)

    def know_secret(self, name: str, value: str) -> None:
        """Keep a value out of every cassette."""
        self._scrubber.know(name, value)

    def teach(self, job: Job, secrets: Mapping[str, str]) -> None:
        """Keep the values of secrets, by name, out of one cassette."""
        for name, value in secrets.items():
            self._library.scrubber(job).learn_value(name, value)

    def expose(self, url: str, devbox_id: str, port: int) -> None:
        """Record a port of a sandbox too, whichever HTTP client it is asked with."""
        from pytest_runloop.cassettes.traffic.other_clients import OtherClients

        self._places.expose(url, devbox_id, port)
        with self._lock:
            if self._others is None and self._transports is not None:
                self._others = OtherClients(self)
                self._others.install()

    # ── traffic ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def place(self, url: Url) -> tuple[str, str] | None:
        return self._places.find(url)

    def meet(self, request: Request, headers: Mapping[str, str]) -> Response | Late | GaveUp | Recording | None:
        """Say what becomes of a request.

        Raises:
            Unrecorded: It is refused, and that is held in its job.
        """
        job = self._job()
        replaying = self._is_played(job)
        if request.host == OPENAI and request.path == _TRACES:
            # Sent when a timer says so, by a thread of its own: in no two runs alike, and nobody's subject.
            return _SWALLOWED if replaying else None
        if (heard := self._hooks.request(request, headers)) is None:
            return None
        if job is None or job.closed:
            if replaying:
                raise self._refused_outside(job, heard)
            return None
        job.touched = True
        return self._played(job, heard) if replaying else job.note(heard, headers)

    def _job(self) -> Job | None:
        current = tape.CURRENT.get()
        return current if isinstance(current, Job) else self._whose()

    def _is_played(self, job: Job | None) -> bool:
        return job.mode is Mode.REPLAY if job else self._replay

    def _played(self, job: Job, request: Request) -> Response | Late | GaveUp:
        scrubber = self._library.scrubber(job)
        asked = scrubber.request(request)
        try:
            deck = self._library.deck(job, asked, self._places.host_of)
        except Unrecorded as miss:
            raise self._held(job, miss.message) from None
        try:
            answer = deck.tape.play(deck.selection.chosen(asked))
        except Unanswered:
            if not patience.is_poll(request):
                return GaveUp()
            patience.leave_out(request)
            self._hurry_polls()
            return Late(patience.in_vain(), deck.patience_s(request))
        except Unrecorded as miss:
            raise self._held(job, miss.message) from None
        if life.waited_s(request, answer):
            self._hurry_polls()
        return scrubber.restored(answer)

    def _hurry_polls(self) -> None:
        with self._lock:
            for module in patience.pollers():
                self._clocks.replace(module, "time", patience.PolledTime())

    def _refused_outside(self, job: Job | None, request: Request) -> Unrecorded:
        asked = words.of(self._scrubber.request(request))
        whose = f"{job.name}, which has ended" if job else "no test or fixture that has a cassette"
        message = (
            f"a replay refused to {asked} ({self._places.host_of(request.host)}): it was asked on behalf of {whose}; "
            "ask from within a test or a fixture of this plugin, stop what still runs in the background, or run on "
            "another target: --runloop-target=emulator"
        )
        return self._held(job, message)

    def _check(self, host: str) -> None:
        """Refuse a connection to a recorded host: what is played never makes one.

        Raises:
            Unrecorded: It is one.
        """
        if not self._places.is_host(host):
            return
        job = self._job()
        if not self._is_played(job):
            return
        whose = job.name if job else "no test or fixture that has a cassette"
        message = (
            f"a replay refused a connection to {host}, on behalf of {whose}: recordings answer httpx, and at ports of "
            "sandboxes also urllib, requests and aiohttp, but this came another way; ask with httpx, put something in "
            "the place of what connects, or run on another target: --runloop-target=emulator"
        )
        raise self._held(job, message)

    def _held(self, job: Job | None, message: str) -> Unrecorded:
        miss = self._refusal(message)
        if job:
            return job.hold(miss)
        self.misses.append(miss)
        return miss
