"""Where a run's requests go. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

RUNLOOP_URL = "https://api.runloop.ai"


class Target(str, enum.Enum):
    """The three places a test can run."""

    LIVE = "live"
    REPLAY = "replay"
    EMULATOR = "emulator"


class Record(str, enum.Enum):
    """What a run records."""

    NONE = "none"
    ONCE = "once"
    ALL = "all"
    VERIFY = "verify"


RECORD_MODES = tuple(mode.value for mode in Record)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Tell a client where the Runloop API is.

    Attributes:
        target: Which of the three targets answers there.
        base_url: Such as ``https://api.runloop.ai``, without a trailing slash.
        api_key: Sent as a bearer token; never printed.
    """

    target: Target
    base_url: str
    api_key: str = field(repr=False)
