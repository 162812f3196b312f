"""Lines that a person sees while a run waits: past pytest's capture, and out of xdist's workers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from threading import Lock

import pytest


def teller(config: pytest.Config) -> Callable[[str], None]:
    """Return what shows a line at once; it may be called from any thread."""
    # Of two threads that switch the capture off, the first back would switch it on under the other.
    lock = Lock()

    def tell(line: str) -> None:
        with lock, _uncaptured(config):
            _show(config, line)

    return tell


def _uncaptured(config: pytest.Config) -> AbstractContextManager[None]:
    manager = config.pluginmanager.getplugin("capturemanager")
    shown: AbstractContextManager[None] = nullcontext() if manager is None else manager.global_and_fixture_disabled()
    return shown


def _show(config: pytest.Config, line: str) -> None:
    worker = getattr(config, "workerinput", {}).get("workerid")
    terminal = config.pluginmanager.getplugin("terminalreporter")
    if terminal is not None and worker is None:
        terminal.ensure_newline()
        writer = config.get_terminal_writer()
        if writer.width_of_current_line:
            # Dots, of which the reporter does not know under -q.
            writer.line()
        terminal.write_line(f"runloop: {line}")
        return
    # A worker's terminal leads nowhere, and xdist carries nothing to the controller before a test has ended. But its
    # stderr is the controller's own. The line break is for the dots that are there already.
    sys.stderr.write(f"\nrunloop: {line}{f' ({worker})' if worker else ''}\n")
    sys.stderr.flush()
