"""A small project for a run inside a test."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CONFTEST = """
    from pathlib import Path

    import pytest
    from tests.plugin.fake_preparations import FakePreparations
    from tests.plugin.fake_provisioner import FakeProvisioner

    @pytest.fixture(scope="session")
    def runloop_provisioner(request):
        provisioner = FakeProvisioner(request.config.rootpath / "log")
        yield provisioner
        provisioner.close()

    @pytest.fixture(scope="session")
    def runloop_preparations(runloop_provisioner):
        yield FakePreparations(runloop_provisioner)
"""


@pytest.fixture
def empty_project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with nothing of ours but the plugin, run in process, with settings that keep other plugins quiet."""
    # Compiled code counts as new if size and second are the same, so a test rewritten at once would run as it was.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    return pytester


@pytest.fixture
def emulated_project(
    empty_project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> pytest.Pytester:
    """A project whose emulator has a state of its own; in process or not, its sandboxes are real."""
    monkeypatch.setenv("PYTEST_RUNLOOP_STATE", str(tmp_path_factory.mktemp("state")))
    return empty_project


@pytest.fixture
def project(empty_project: pytest.Pytester) -> pytest.Pytester:
    """A project whose sandboxes are fakes that are written down in the file ``log``."""
    empty_project.makeconftest(CONFTEST)
    return empty_project


@pytest.fixture
def log(project: pytest.Pytester) -> Callable[[], list[str]]:
    """What was done to the fake sandboxes, in order."""
    path: Path = project.path / "log"
    return lambda: path.read_text().splitlines() if path.exists() else []


@pytest.fixture(scope="session")
def _sdk() -> None:
    """Load the SDK and the core for good.

    What a run in process imports is forgotten after it: the SDK takes seconds, and of the core half would stay, as
    attributes of packages.
    """
    from pytest_runloop import preparation, provisioning  # noqa: F401
    from pytest_runloop.sandbox.runloop import provider  # noqa: F401
