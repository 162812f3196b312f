"""A blueprint described in a test: what it is built from, and the name its content gives it. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

PREFIX = "pytest-runloop-"
"""Of the names of all blueprints that are built from a description."""

_DIGITS = 20


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """What to build a blueprint from; it is built once, and found again by its name.

    Attributes:
        dockerfile: The text of a Dockerfile.
        base: Another blueprint's name or ``bpt_…`` id to start from, instead of a Dockerfile. With neither, Runloop's
            default image is the start.
        setup_commands: Shell commands run after that, as the default user, with sudo at hand.
        files: Absolute path to text, written before the commands run.
    """

    dockerfile: str | None = None
    base: str | None = None
    setup_commands: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def name(self) -> str:
        """The name it is built under: the same for the same content, wherever it was written down."""
        content = [self.dockerfile, self.base, list(self.setup_commands), sorted(self.files.items())]
        digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        return PREFIX + digest[:_DIGITS]

    def __hash__(self) -> int:
        """Hash by content; a mapping has no hash of its own."""
        return hash(self.name)
