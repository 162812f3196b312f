"""The stand-ins of ``tests/plugin`` have what the shell uses of the real ones, under the same names and parameters."""

from __future__ import annotations

import inspect

import pytest

from pytest_runloop.preparation import Lent, Preparations, SuspendedSnapshot
from pytest_runloop.provisioning import Provisioner
from tests.plugin.fake_preparations import FakeLent, FakePreparations, FakeSnapshot
from tests.plugin.fake_provisioner import FakeProvisioner

PAIRS = [
    (Preparations.prepared, FakePreparations.prepared),
    (Preparations.close, FakePreparations.close),
    (Preparations.sweep, FakePreparations.sweep),
    (SuspendedSnapshot.fork, FakeSnapshot.fork),
    (SuspendedSnapshot.resume, FakeSnapshot.resume),
    (SuspendedSnapshot.rebuild, FakeSnapshot.rebuild),
    (SuspendedSnapshot.close, FakeSnapshot.close),
    *((getattr(Lent, name), getattr(FakeLent, name)) for name in ("__enter__", "__exit__", "__aenter__", "__aexit__")),
    (Provisioner.check, FakeProvisioner.check),
    (Provisioner.provide, FakeProvisioner.provide),
    (Provisioner.close, FakeProvisioner.close),
]


@pytest.mark.parametrize(("real", "fake"), PAIRS, ids=lambda function: function.__qualname__)
def test_it_is_called_alike(real: object, fake: object) -> None:
    assert inspect.iscoroutinefunction(real) == inspect.iscoroutinefunction(fake)
    assert parameters(real) == parameters(fake)


def parameters(function: object) -> list[tuple[str, object]]:
    assert callable(function)
    return [(one.name, one.kind) for one in inspect.signature(function).parameters.values()]
