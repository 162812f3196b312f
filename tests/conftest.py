"""What every test of the suite starts from: pytester, and no settings of the place where it runs."""

from __future__ import annotations

import os

import pytest

pytest_plugins = ["pytester"]


CI = ("CI", "BUILD_NUMBER")
"""Where these are set, pytest shows the whole of each failure a second time, in its summary."""


@pytest.fixture(autouse=True)
def _no_runloop_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("RUNLOOP_", "PYTEST_RUNLOOP_")):
            monkeypatch.delenv(name)
    for name in CI:
        monkeypatch.delenv(name, raising=False)
