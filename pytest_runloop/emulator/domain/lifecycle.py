"""The life of a devbox: one table, one function.

Whatever changes a devbox's status goes through ``advance``. Knows nothing of machines, time or HTTP. Pure.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

from pytest_runloop.emulator.domain.problems import bad_request


class Status(str, enum.Enum):
    """A devbox's status, spelled as the API spells it."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    PROVISIONING = "provisioning"
    INITIALIZING = "initializing"
    RUNNING = "running"
    SUSPENDING = "suspending"
    SUSPENDED = "suspended"
    RESUMING = "resuming"
    FAILURE = "failure"
    SHUTDOWN = "shutdown"

    @property
    def is_over(self) -> bool:
        """Whether nothing leads out of this status."""
        return self in {Status.FAILURE, Status.SHUTDOWN}

    @property
    def is_held(self) -> bool:
        """Whether one emulator must be holding the devbox's machine."""
        return not self.is_over and self is not Status.SUSPENDED


class Event(str, enum.Enum):
    """What can happen to a devbox."""

    ADMIT = "be admitted"
    ALLOCATE = "be initialized"
    READY = "become ready"
    SUSPEND = "be suspended"
    HALT = "finish suspending"
    RESUME = "be resumed"
    FAIL = "fail"
    SHUT_DOWN = "be shut down"


TRANSITIONS: Mapping[tuple[Status, Event], Status] = MappingProxyType(
    {
        (Status.SCHEDULED, Event.ADMIT): Status.PROVISIONING,
        (Status.QUEUED, Event.ADMIT): Status.PROVISIONING,
        (Status.PROVISIONING, Event.ALLOCATE): Status.INITIALIZING,
        (Status.RESUMING, Event.ALLOCATE): Status.INITIALIZING,
        (Status.INITIALIZING, Event.READY): Status.RUNNING,
        (Status.RUNNING, Event.SUSPEND): Status.SUSPENDING,
        (Status.SUSPENDING, Event.HALT): Status.SUSPENDED,
        (Status.SUSPENDED, Event.RESUME): Status.RESUMING,
        # A second end is harmless: clients delete what they have already shut down.
        (Status.SHUTDOWN, Event.SHUT_DOWN): Status.SHUTDOWN,
        (Status.FAILURE, Event.SHUT_DOWN): Status.FAILURE,
        **{(status, Event.SHUT_DOWN): Status.SHUTDOWN for status in Status if not status.is_over},
        **{(status, Event.FAIL): Status.FAILURE for status in Status if not status.is_over},
    }
)


def advance(status: Status, event: Event, *, devbox_id: str) -> Status:
    """Say what a devbox becomes when something happens to it.

    Raises:
        ApiProblem: 400, if that can't happen in this status.
    """
    try:
        return TRANSITIONS[status, event]
    except KeyError:
        possible = ", ".join(sorted(start.value for start, what in TRANSITIONS if what is event))
        message = f"Devbox {devbox_id} can't {event.value} while it is '{status.value}'; that needs one of: {possible}."
        raise bad_request(message) from None
