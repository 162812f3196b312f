"""Real Runloop sandboxes for tests: the names a test may import.

Each is loaded when it is first used (PEP 562): pytest imports this package in every run, and most runs want none of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_runloop.blueprint import Blueprint
    from pytest_runloop.cassettes.files.serializer import CassetteSerializer
    from pytest_runloop.errors import (
        CommandFailed,
        CommandTimeout,
        ProvisioningError,
        RunloopPluginError,
        SandboxError,
        SpecError,
        TargetError,
        TeardownError,
    )
    from pytest_runloop.factory import SandboxFactory
    from pytest_runloop.fields import MarkFields
    from pytest_runloop.preparation import Preparations, SuspendedSnapshot
    from pytest_runloop.provisioning import Provisioner
    from pytest_runloop.sandbox.handle import Sandbox
    from pytest_runloop.sandbox.results import ExecResult
    from pytest_runloop.spec import SandboxSpec, Scope
    from pytest_runloop.target import Endpoint, Target

__all__ = [
    "Blueprint",
    "CassetteSerializer",
    "CommandFailed",
    "CommandTimeout",
    "Endpoint",
    "ExecResult",
    "MarkFields",
    "Preparations",
    "Provisioner",
    "ProvisioningError",
    "RunloopPluginError",
    "Sandbox",
    "SandboxError",
    "SandboxFactory",
    "SandboxSpec",
    "Scope",
    "SpecError",
    "SuspendedSnapshot",
    "Target",
    "TargetError",
    "TeardownError",
]

# Names that no other line places come from `errors`.
_HOMES = {
    "Blueprint": "blueprint",
    "CassetteSerializer": "cassettes.files.serializer",
    "Endpoint": "target",
    "ExecResult": "sandbox.results",
    "MarkFields": "fields",
    "Preparations": "preparation",
    "Provisioner": "provisioning",
    "Sandbox": "sandbox.handle",
    "SandboxFactory": "factory",
    "SandboxSpec": "spec",
    "Scope": "spec",
    "SuspendedSnapshot": "preparation",
    "Target": "target",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
