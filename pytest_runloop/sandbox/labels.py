"""The metadata put on every devbox we create, so that a stray one can be found again. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

OWNER = "pytest_runloop"
TEST = "pytest_runloop_test"
RUN = "pytest_runloop_run"
SANDBOX = "pytest_runloop_sandbox"

LONGEST_VALUE = 120
"""The API publishes no limit for a metadata value; node ids of parametrised tests can be very long."""


def labels_for(*, test: str, run: str, sandbox: str) -> dict[str, str]:
    """Return the labels of one devbox; *sandbox* is unique to it, *run* common to all of one pytest run."""
    return {OWNER: "1", TEST: shortened(test), RUN: run, SANDBOX: sandbox}


def with_labels(metadata: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, str]:
    """Return both together; what the user gave wins."""
    return {**labels, **metadata}


def shortened(text: str, *, limit: int = LONGEST_VALUE) -> str:
    """Return text of at most *limit* characters, cut in the middle where node ids differ least."""
    if len(text) <= limit:
        return text
    head = (limit - 1) // 2
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"
