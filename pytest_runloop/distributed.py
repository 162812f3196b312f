"""The hooks of the xdist controller; registered only where xdist is installed."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_runloop.options import TALLIES, WIRING
from pytest_runloop.tally import Tally

KEY = "runloop"


@pytest.hookimpl
def pytest_configure_node(node: Any) -> None:
    node.workerinput[KEY] = node.config.stash[WIRING].emulator.hand_down()


@pytest.hookimpl
def pytest_testnodedown(node: Any) -> None:
    sent = getattr(node, "workeroutput", {}).get(KEY)
    node.config.stash[TALLIES].append(Tally(lost_workers=1) if sent is None else Tally(**sent))
