"""What Runloop has and the emulator has not: the routes, and why. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType


def why_not(method: str, path: str) -> str | None:
    """Say why a route of Runloop's isn't emulated; None if it is none."""
    # The patterns are compiled when first needed, not at start, where each millisecond is counted.
    for route, reason in NOT_EMULATED.items():
        verb, template = route.split(" ")
        if verb == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            return reason
    return None


NOT_EMULATED: Mapping[str, str] = MappingProxyType(
    {
        "POST /v1/benchmark_jobs": "nothing here runs agents; start a benchmark run, and run yours in its devboxes",
    }
)
