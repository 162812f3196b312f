"""What clients want to find in the environment before they send anything, for a replay that needs none of it."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from types import MappingProxyType

DUMMIES: Mapping[str, str] = MappingProxyType(
    {
        "RUNLOOP_API_KEY": "replay-needs-no-runloop-api-key",
        "OPENAI_API_KEY": "replay-needs-no-openai-api-key",
    }
)
"""Keys. They are long, so that they are told from other text where a recording has the real ones."""

_SWITCHES: Mapping[str, str] = MappingProxyType({"OPENAI_AGENTS_DISABLE_TRACING": "1"})
"""Traces are sent by a thread of their own, when a timer says so, also after the last test."""


class Dummies:
    """Variables that are there for a run and gone after it."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        """Set what is missing.

        Args:
            environ: The environment.
        """
        self._environ = environ
        self.keys = tuple(name for name in DUMMIES if not environ.get(name))
        self._before = {name: environ.get(name) for name in (*self.keys, *_SWITCHES)}
        environ.update({name: DUMMIES[name] for name in self.keys})
        environ.update(_SWITCHES)

    def remove(self) -> None:
        """Put back what was there. Idempotent."""
        for name, value in self._before.items():
            if value is None:
                self._environ.pop(name, None)
            else:
                self._environ[name] = value
        self._before = {}
