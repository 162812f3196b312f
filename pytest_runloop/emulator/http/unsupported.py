"""Runloop's other routes: known, not emulated. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType


def is_known(method: str, path: str) -> bool:
    """Say whether Runloop has this route."""
    # The patterns are compiled when first needed, not at start, where each millisecond is counted.
    templates = _TEMPLATES.get(method, ())
    return any(re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) for template in templates)


_BOTH = ()
_TEMPLATES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "GET": (*_BOTH,),
        "POST": (
            *_BOTH,
            "/v1/benchmark_jobs",
        ),
    }
)
