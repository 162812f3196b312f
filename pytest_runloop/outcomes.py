"""What became of a test, for fixtures: their ``yield`` never learns it, so the report hook notes it down."""

from __future__ import annotations

import pytest


class Outcome:
    """What is known of one test so far."""

    def __init__(self) -> None:
        self._was_called = False
        self._went_wrong = False
        self._is_over = False

    def note(self, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
        """Take in the report of a phase.

        An expected failure counts: whatever raised may have left a mess. A skip does not.
        """
        raised = call.excinfo is not None and not call.excinfo.errisinstance(pytest.skip.Exception)
        self._was_called |= call.when == "call"
        self._went_wrong |= report.failed or raised

    def end(self) -> None:
        """Note that the test's teardown has begun: no report of its call can follow."""
        self._is_over = True

    def failed(self) -> bool:
        """Tell whether the test failed, or was cut short, as by Ctrl-C."""
        return self._went_wrong or (self._is_over and not self._was_called)


_KEY = pytest.StashKey[Outcome]()


def outcome_of(item: pytest.Item) -> Outcome:
    """Return what is known of a test from now on."""
    return item.stash.setdefault(_KEY, Outcome())


def note(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """Take in the report of a phase, if somebody has asked for the test's outcome."""
    outcome = item.stash.get(_KEY, None)
    if outcome is None:
        return
    outcome.note(call, report)
    if call.when == "teardown":
        # The test may be run again, by a plugin for flaky ones.
        del item.stash[_KEY]
