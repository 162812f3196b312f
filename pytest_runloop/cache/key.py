"""The name of a prepared sandbox: equal exactly if everything that shapes its disk is equal. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from pytest_runloop.cache.entry import SCHEMA

_DIGITS = 32


def key_of(shape: Mapping[str, object]) -> str:
    """Return the key of what *shape*, JSON in any order, describes."""
    canonical = json.dumps([SCHEMA, shape], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:_DIGITS]
