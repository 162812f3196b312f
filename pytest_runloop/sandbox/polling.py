"""How often to look at something that takes time and can't be waited for. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

QUICK_S = (0.05, 0.1, 0.2, 0.4)
POLL_S = 1.0
"""As the vendor's own client does it."""


def pauses() -> Iterator[float]:
    """Give the seconds between looks: small things are done at once, large ones are looked at each second."""
    return itertools.chain(QUICK_S, itertools.repeat(POLL_S))
