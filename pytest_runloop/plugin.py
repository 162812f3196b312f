"""What pytest calls, in the order it calls it. Every hook hands over at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from pytest_runloop import distributed, outcomes, progress, reporting
from pytest_runloop.errors import TeardownError
from pytest_runloop.local import Run
from pytest_runloop.markers import HELP
from pytest_runloop.options import (
    LENT,
    PREPARATIONS,
    PROVISIONERS,
    SETTINGS,
    TALLIES,
    WIRING,
    add_options,
    read_settings,
)
from pytest_runloop.tally import Tally, total
from pytest_runloop.wiring import Wiring

if TYPE_CHECKING:
    from pytest_runloop.recording.recorder import Recorder

pytest_plugins = ["pytest_runloop.fixtures"]


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", HELP)
    if config.getoption("help"):
        # Help on a wrong setting must be readable in spite of it.
        return
    settings = config.stash[SETTINGS] = read_settings(config, os.environ)
    wiring = config.stash[WIRING] = Wiring(
        settings.target.value,
        environ=os.environ,
        run=_run(config),
        terms=settings.terms(owner=config.rootpath.name or "root"),
        root=config.rootpath,
        tell=progress.teller(config),
    )
    config.stash[PROVISIONERS] = []
    config.stash[PREPARATIONS] = []
    config.stash[TALLIES] = []
    config.stash[LENT] = []
    if hasattr(config.hook, "pytest_configure_node"):
        config.pluginmanager.register(distributed, "runloop-distributed")
    if wiring.recorder is not None:
        _watch(config, wiring.recorder)


def pytest_collection_finish(session: pytest.Session) -> None:
    config = session.config
    tests = ((item.path, item.nodeid) for item in session.items)
    recorder = None if config.option.collectonly else config.stash[WIRING].play_what_there_is(tests)
    if recorder is not None:
        _watch(config, recorder)


def _watch(config: pytest.Config, recorder: Recorder) -> None:
    from pytest_runloop.recorded import NAME, Recorded

    config.pluginmanager.register(Recorded(config, recorder), NAME)


def _run(config: pytest.Config) -> Run:
    handed_down = getattr(config, "workerinput", {}).get(distributed.KEY)
    return Run.start() if handed_down is None else Run.join(handed_down)


def pytest_report_header(config: pytest.Config) -> str:
    return reporting.header(config.stash[SETTINGS], config.stash[WIRING])


@pytest.hookimpl(wrapper=True)
def pytest_assertrepr_compare(
    left: object, right: object
) -> Generator[None, list[list[str] | None], list[list[str] | None]]:
    explanations = yield
    return [reporting.with_command(explanation, left, right) for explanation in explanations]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    outcomes.note(item, call, report)
    if report.failed:
        lent = item.config.stash[LENT]
        report.sections += reporting.sections(lent)
    return report


# Last, so that the session's fixtures are gone and have counted; xdist sends what is here a moment later.
@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    stash = session.config.stash
    provisioners, preparations = stash[PROVISIONERS], stash[PREPARATIONS]
    wiring = stash[WIRING]
    tally = Tally.of(provisioners, preparations, records=(wiring.beside or wiring).recorder)
    stash[TALLIES].append(tally)
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[distributed.KEY] = tally.sendable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    tallies = config.stash[TALLIES]
    tally = total(tallies)
    title = reporting.title(tally, config.stash[WIRING].target)
    if title:
        terminalreporter.write_sep("=", title)
    for line in reporting.warnings(tally, config.stash[WIRING].target):
        terminalreporter.write_line(line, red=True)


def pytest_unconfigure(config: pytest.Config) -> None:
    wiring = config.stash.get(WIRING, None)
    if wiring is None:
        return
    try:
        wiring.emulator.close()
    except TeardownError as error:
        # Too late for the summary; and a worker has no terminal.
        sys.stderr.write(f"runloop: {error}\n")
