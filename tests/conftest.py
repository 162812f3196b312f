"""What every test of the suite starts from: pytester, and no Runloop settings of the person who runs it."""

from __future__ import annotations

import os

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def _no_runloop_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("RUNLOOP_", "PYTEST_RUNLOOP_")):
            monkeypatch.delenv(name)
