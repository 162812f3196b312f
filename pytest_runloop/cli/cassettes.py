"""``pytest-runloop cassettes``."""

from __future__ import annotations

from pytest_runloop.cli.parsing import Subparsers


def add(commands: Subparsers) -> None:
    """Add the command to the parser."""
