"""The doors to the SDKs' room, opened by their first use: the SDKs take seconds to load."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_runloop.sandbox.boundary import Provider, Request
    from pytest_runloop.spec import SandboxSpec
    from pytest_runloop.target import Endpoint


def checked(spec: SandboxSpec) -> Request:
    """Return what a spec asks for, or raise SpecError."""
    from pytest_runloop.sandbox.runloop.checking import check

    return check(spec)


def shaped(spec: SandboxSpec) -> Mapping[str, object]:
    """Return what shapes the disk of a sandbox, or raise SpecError."""
    from pytest_runloop.sandbox.runloop.shape import shape

    return shape(checked(spec))


def opened(endpoint: Endpoint) -> Provider:
    """Return a provider for the running loop."""
    from pytest_runloop.sandbox.runloop.provider import RunloopProvider

    return RunloopProvider(endpoint)
