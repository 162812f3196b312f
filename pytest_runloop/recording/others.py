"""The cassettes of what outlives a test: shared sandboxes, preparations, fixtures of a wider scope."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from pytest_runloop.errors import CassetteError

if TYPE_CHECKING:
    from pytest_runloop.cassettes.traffic.jobs import Job
    from pytest_runloop.recording.recorder import Recorder


class Vein(NamedTuple):
    """What tests must agree on that share something.

    Attributes:
        is_replay: Whether nothing is real: a replayed sandbox is of no use to a test that records.
        top: The folder of the cassettes that they share.
    """

    is_replay: bool
    top: str


class Other:
    """The cassette of something that outlives a test."""

    def __init__(self, recorder: Recorder, job: Job, *, is_wanted: bool) -> None:
        """Take a cassette in hand; only the recorder does.

        Args:
            recorder: Whose it is.
            job: The cassette.
            is_wanted: Whether a recording is to be written.
        """
        self._recorder = recorder
        self._is_wanted = is_wanted
        self.job = job

    @contextmanager
    def open(self) -> Iterator[None]:
        """Have what is sent from here belong to it."""
        with self._recorder.studio.within(self.job):
            yield

    def name(self, raw: str, role: str) -> None:
        """Give an id that tests will mention one name in all cassettes."""
        self._recorder.name(self.job, raw, role)

    def close(self, *, keep: bool) -> None:
        """End it.

        Args:
            keep: Whether it went as it should; else nothing is written.

        Raises:
            CassetteError: Something is wrong with it.
        """
        if self.job.closed or not self.job.touched:
            # Nobody has asked for anything.
            self._recorder.forget(self.job)
            return
        problems = self._recorder.finish(self.job, keep=keep and self._is_wanted)
        if problems:
            raise CassetteError("\n".join(problems))
