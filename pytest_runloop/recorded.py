"""The hooks of a run that records or replays; registered only there, so that other runs pay nothing for them."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

from pytest_runloop import reporting
from pytest_runloop.options import TALLIES
from pytest_runloop.recording.dummies import Dummies
from pytest_runloop.recording.recorder import Recorder
from pytest_runloop.recording.staleness import stale
from pytest_runloop.refusals import Refusals, Refused
from pytest_runloop.tally import Tally, total
from pytest_runloop.target import Target
from pytest_runloop.wide import WideFixtures

STUDIO = "_runloop_studio"
NAME = "runloop-recorded"
STALE = "runloop/stale"
"""Where pytest's cache has the cassettes that no test uses; ``pytest-runloop cassettes prune`` reads it."""

_OF_TARGETS = frozenset({"runloop_endpoint", "runloop_provisioner", "runloop_preparations"})
"""Who asks for these deals with the target: they are of the whole run, and so can't be of a replay for one test."""

_PARTIAL = ("keyword", "markexpr", "deselect", "lf", "stepwise", "collectonly", "ignore", "ignore_glob", "pyargs")
"""Options of pytest with which not all tests run."""


class Recorded:
    """The cassette of each test, from before its first fixture until after its last."""

    def __init__(self, config: pytest.Config, recorder: Recorder) -> None:
        self._config = config
        self._recorder = recorder
        self._refusals = Refusals(recorder.refused)
        recorder.refusal = Refused
        self._wide = WideFixtures(recorder)
        self._went_well = False
        self._was_skipped = False
        self._dummies = Dummies(os.environ) if recorder.plays and not recorder.beside else None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, None, None]:
        self._went_well, self._was_skipped = True, False
        real = not _OF_TARGETS.isdisjoint(getattr(item, "fixturenames", ()))
        self._recorder.begin(item.nodeid, here=item.config.invocation_params.dir, real=real)
        if self._recorder.beside and self._recorder.plays:
            self._dummies = Dummies(os.environ)
        if not self._recorder.is_open and not self._recorder.is_alone:
            _ask_for_studio(item)
        return (yield)

    # Within other plugins' wrappers: the ends of those need their beginnings. Pytest looks at such names only.
    @pytest.hookimpl(specname="pytest_runtest_setup", tryfirst=True)
    def pytest_wide_fixtures(self, item: pytest.Item) -> None:
        self._wide.check(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        if request.scope == "function" or self._recorder.is_alone or not self._recorder.is_open:
            return (yield)
        with self._wide.set_up(fixturedef, request):
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, None, None]:
        try:
            outcome = yield
        except BaseException:
            self._recorder.end(keep=False)
            raise
        finally:
            if self._recorder.beside:
                self._remove_dummies()
        problems = self._recorder.end(keep=self._went_well, was_skipped=self._was_skipped)
        if problems:
            pytest.fail("\n".join(problems), pytrace=False)
        return outcome

    # First, so that it has the last word: also about tests that are expected to fail.
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        self._refusals.tell(report, call)
        # A failure that was expected is what the test is about, and is recorded like any other outcome.
        self._went_well &= not report.failed
        if report.skipped and not hasattr(report, "wasxfail"):
            self._was_skipped = True
            self._recorder.skip(item.nodeid)
        return report

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._recorder.skip_module(report.nodeid)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self._recorder.counts["deselected"] += len(items)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
        tallies = self._config.stash[TALLIES]
        tally = total(tallies)
        unused = self._unused(tally) if exitstatus == pytest.ExitCode.OK else None
        if unused is None:
            return
        for line in reporting.stale(unused):
            terminalreporter.write_line(line, yellow=True)
        cache = getattr(self._config, "cache", None)
        if cache is not None:
            cache.set(STALE, unused)

    # After the last test has ended, with the fixtures of the session.
    def pytest_unconfigure(self) -> None:
        self._recorder.close()
        self._remove_dummies()

    def _remove_dummies(self) -> None:
        if self._dummies is not None:
            self._dummies.remove()

    def _unused(self, tally: Tally) -> list[str] | None:
        """Return the cassettes that no test uses; None if this run could not know."""
        config = self._config
        started = config.invocation_params.dir
        folders = [started / Path(argument) for argument in config.args]
        partial = any(config.getoption(option, None) for option in _PARTIAL) or tally.deselected or tally.lost_workers
        if self._recorder.target is not Target.REPLAY or partial or not all(folder.is_dir() for folder in folders):
            return None
        return stale(config.rootpath, folders=folders, used=tally.used, all_ran=not tally.skipped)


def _ask_for_studio(item: pytest.Item) -> None:
    """Have the test's first fixture open the studio, with what the project's own fixture says of it."""
    wanted: list[str] | None = getattr(item, "fixturenames", None)
    if wanted is not None and STUDIO not in wanted:
        # A list of its own: all parameters of a function share theirs, and each would set up the fixture again.
        item.fixturenames = [STUDIO, *wanted]  # type: ignore[attr-defined] # tests that are functions have it
