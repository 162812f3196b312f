"""What a replay refused: it fails the test that asked, whoever caught the exception, and is told in full once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pytest

from pytest_runloop.cassettes.playing.replay import Unrecorded
from pytest_runloop.errors import RunloopPluginError


class Refused(Unrecorded, pytest.fail.Exception):  # type: ignore[name-defined, misc] # an attribute of a function
    """Be no ``Exception``, so that no client tries again, and still what pytest takes for a failure.

    What it takes for neither ends its clean-up half-way, and the next test gets what is left.
    """

    def __init__(self, message: str) -> None:
        pytest.fail.Exception.__init__(self, message, pytrace=False)
        self.message = message


class Refusals:
    """The refusals of a process."""

    def __init__(self, new: Callable[[], list[str]]) -> None:
        """Make them.

        Args:
            new: Returns what was refused since it was last called.
        """
        self._new = new
        self._told: dict[str, str] = {}
        self._failed = ""

    def tell(self, report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
        """Make a report say what was refused in its phase, and nothing but that.

        Args:
            report: The report.
            call: The phase.
        """
        if report.when == "setup":
            self._failed = ""
        new = self._new()
        if call.excinfo is None and not new:
            return
        test = report.nodeid
        errors = list(_led_to(None if call.excinfo is None else call.excinfo.value))
        refused = list(dict.fromkeys([*new, *_messages(errors)]))
        if self._failed == test and (refused or any(isinstance(error, RunloopPluginError) for error in errors)):
            # It has failed for this already, and what it asks for later is refused as well.
            _settle(report, "passed", None)
        elif refused:
            self._failed = test
            _settle(report, "failed", "\n\n".join(self._words(message, test) for message in refused))

    def _words(self, message: str, test: str) -> str:
        first = self._told.setdefault(message, test)
        if first == test:
            return message
        return f"refused like {first}, whose report says what and why"


def _led_to(error: BaseException | None) -> Iterator[BaseException]:
    """Return an exception, with all that led to it."""
    waiting = [] if error is None else [error]
    while waiting:
        error = waiting.pop()
        yield error
        # The attribute is an exception group's.
        causes = [error.__cause__ or error.__context__, *getattr(error, "exceptions", ())]
        waiting += [cause for cause in causes if cause is not None]


def _messages(errors: Iterable[BaseException]) -> list[str]:
    """Return the refusals among errors; they may have been told before."""
    return [error.message for error in errors if isinstance(error, Unrecorded)]


def _settle(report: pytest.TestReport, outcome: str, words: str | None) -> None:
    report.outcome = outcome  # type: ignore[assignment] # a literal, of which mypy sees only the type
    report.longrepr = words
    if hasattr(report, "wasxfail"):
        del report.wasxfail
