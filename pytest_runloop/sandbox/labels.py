"""The metadata put on every devbox we create, so that a stray one can be found again. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

OWNER = "pytest_runloop"
TEST = "pytest_runloop_test"
RUN = "pytest_runloop_run"
SANDBOX = "pytest_runloop_sandbox"

NR = "pytest_runloop_nr"
"""Which sandbox of its test this is, in the order of the program: what tells apart creations that are equal else."""

KEY = "pytest_runloop_key"
"""Of what was prepared: everything that shapes its disk, in one word."""

SCHEMA = "pytest_runloop_schema"
OWNER_NAME = "pytest_runloop_owner"
CREATED = "pytest_runloop_created"
EXPIRES = "pytest_runloop_expires"
KIND = "pytest_runloop_kind"
DISK, PREPARING, PREPARED = "disk", "preparing", "prepared"
"""The kinds: a disk snapshot, a devbox that is being prepared, one that was."""

BASE = "pytest_runloop_snapshot"
"""The disk snapshot that a prepared devbox belongs to: what replaced it has another."""

HOLDER = "pytest_runloop_holder"
"""Who runs a prepared devbox now. Taken off when it was suspended in good order, so that a disk nobody vouches for is
never handed on, whoever suspended it."""

CONTESTED = "contested"
"""A holder that is nobody: two machines took the devbox at once, and neither may trust it."""

_VITAL = frozenset({KEY, SCHEMA, OWNER_NAME, CREATED, EXPIRES, KIND, BASE, HOLDER})

LONGEST_VALUE = 120
"""The API publishes no limit for a metadata value; node ids of parametrised tests can be very long."""


def labels_for(*, test: str, run: str, sandbox: str) -> dict[str, str]:
    """Return the labels of one devbox; *sandbox* is unique to it, *run* common to all of one pytest run."""
    return {OWNER: "1", TEST: shortened(test), RUN: run, SANDBOX: sandbox}


def with_labels(metadata: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, str]:
    """Return both together; what the user gave wins, but for what finds a prepared devbox again."""
    ours = {name: value for name, value in labels.items() if name in _VITAL}
    return {**labels, **metadata, **ours}


def shortened(text: str, *, limit: int = LONGEST_VALUE) -> str:
    """Return text of at most *limit* characters, cut in the middle where node ids differ least."""
    if len(text) <= limit:
        return text
    head = (limit - 1) // 2
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"
