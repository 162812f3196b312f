"""A devbox that runs, and the sandbox on it, as one record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_runloop.sandbox.boundary import DevboxApi, Request, Started
    from pytest_runloop.sandbox.handle import Sandbox
    from pytest_runloop.sandbox.operations import Operations


@dataclass(frozen=True, kw_only=True)
class Running:
    """A devbox that runs.

    Attributes:
        sandbox: What a test holds of it.
        started: What the provider gave.
        operations: What can be done in it, for the provider's loop.
        leave: Gives up its place among those that run at once; called when it has ended.
    """

    sandbox: Sandbox
    started: Started
    operations: Operations
    leave: Callable[[], None]

    @property
    def api(self) -> DevboxApi:
        """The devbox's routes."""
        return self.started.api

    @property
    def request(self) -> Request:
        """What was asked for."""
        return self.operations.request
