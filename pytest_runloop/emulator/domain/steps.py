"""The commands that a build consists of. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ROOT = "root"
SECRETS = "/run/secrets"
"""Where a build finds its secrets as files; nothing there is kept."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One command of a build.

    Attributes:
        title: What the log calls it.
        command: For bash.
        user: Who runs it; None for the machine's own account.
    """

    title: str
    command: str
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
