"""What is done differently where requests are recorded or replayed: they must be the same in every run. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass


def _as_it_is(text: str) -> str:
    return text


@dataclass(frozen=True, kw_only=True)
class Habits:
    """How prepared sandboxes are looked for and kept.

    Attributes:
        alone: Whether only what this run has prepared counts. Then nothing is replaced or swept, and each test starts
            from what was there before any other had it, so that it does the same in whatever order they come.
        ages: Whether what is prepared can get too old.
        clean: Takes out of a text what may differ between computers, such as secrets.
    """

    alone: bool = False
    ages: bool = True
    clean: Callable[[str], str] = _as_it_is

    def cleaned(self, shape: Mapping[str, object]) -> Mapping[str, object]:
        """Return what shapes a disk, the same on every computer."""
        if self.clean is _as_it_is:
            return shape
        cleaned: Mapping[str, object] = json.loads(self.clean(json.dumps(shape)))
        return cleaned


USUAL = Habits()
