"""What a replay refused: it fails the test that asked, whoever caught the exception, and is told in full once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import pytest

from pytest_runloop.errors import RunloopPluginError


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

    def tell(self, report: pytest.TestReport, call: pytest.CallInfo[None], *, test: str) -> None:
        """Make a report say what was refused in its phase, and nothing but that.

        Args:
            report: The report.
            call: The phase.
            test: The test's node id.
        """
        if report.when == "setup":
            self._failed = ""
        errors = list(_led_to(None if call.excinfo is None else call.excinfo.value))
        refused = list(dict.fromkeys([*self._new(), *_messages(errors)]))
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


@contextmanager
def failing(fixture: pytest.FixtureDef[object], request: pytest.FixtureRequest) -> Iterator[None]:
    """Have a refusal end a fixture as a failed test does, for all tests that share the fixture."""
    try:
        yield
    except BaseException as error:
        messages = _messages(_led_to(error))
        if not messages:
            raise
        failure = pytest.fail.Exception(messages[0], pytrace=False)
        failure.__cause__ = error
        # As pytest itself does it for what it takes for a failure; else it neither remembers it nor tears down.
        fixture.cached_result = (None, fixture.cache_key(request), (failure, error.__traceback__))  # type: ignore[arg-type] # a sub-request
        raise failure from error


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
    from pytest_runloop.cassettes.replay import Unrecorded

    return [error.message for error in errors if isinstance(error, Unrecorded)]


def _settle(report: pytest.TestReport, outcome: str, words: str | None) -> None:
    report.outcome = outcome  # type: ignore[assignment] # a literal, of which mypy sees only the type
    report.longrepr = words
    if hasattr(report, "wasxfail"):
        del report.wasxfail
