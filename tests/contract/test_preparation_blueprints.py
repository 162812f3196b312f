"""Blueprints described in a test, against a real emulator."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_runloop.blueprint import Blueprint
from pytest_runloop.errors import ProvisioningError
from pytest_runloop.spec import SandboxSpec
from tests.contract.conftest import Service
from tests.contract.lab import Lab


@pytest.fixture
def lab(service: Service, tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(service, tmp_path)
    yield lab
    lab.close()


@pytest.fixture
def blueprint(lab: Lab) -> Blueprint:
    """A blueprint nobody has built."""
    mark = uuid.uuid4().hex
    described = Blueprint(setup_commands=(f"echo {mark} | sudo tee /etc/built",), files={"/home/user/f": mark})
    lab.blueprints.append(described.name)
    return described


def test_it_is_built_once_and_found_by_its_name(lab: Lab, blueprint: Blueprint) -> None:
    lab.process()
    provisioners = [provisioner for _, provisioner in lab.opened]
    lab.process(run="run_2")
    provisioners.append(lab.opened[-1][1])

    built = []
    for provisioner in provisioners:
        with provisioner.provide(SandboxSpec(test="t.py::x", blueprint=blueprint)) as sandbox:
            built.append(sandbox.exec("cat /etc/built f", check=True).stdout)

    assert built[0] == built[1]
    assert [one.status for one in lab.api.blueprints.list(name=blueprint.name)] == ["build_complete"]


def test_a_sandbox_prepared_from_it_needs_it_no_more(lab: Lab, blueprint: Blueprint) -> None:
    process = lab.process()
    prepared = process.prepared(lab.spec(blueprint=blueprint, setup=("cp /etc/built made",)))

    with prepared.fork() as fork, prepared.resume() as resumed:
        assert fork.read_text("made") == resumed.read_text("made") == resumed.read_text("/etc/built")
    assert process.problems == ()


def test_one_may_start_from_another(lab: Lab, blueprint: Blueprint) -> None:
    lab.process()
    provisioner = lab.opened[-1][1]
    with provisioner.provide(SandboxSpec(test="t.py::x", blueprint=blueprint)):
        pass
    upon = Blueprint(base=blueprint.name, setup_commands=("sudo cp /etc/built /etc/built-upon",))
    lab.blueprints.insert(0, upon.name)

    with provisioner.provide(SandboxSpec(test="t.py::x", blueprint=upon)) as sandbox:
        assert sandbox.read_text("/etc/built-upon") == sandbox.read_text("/etc/built")


def test_a_failing_build_shows_its_log(lab: Lab) -> None:
    described = Blueprint(setup_commands=("echo now it fails; exit 3",))
    lab.blueprints.append(described.name)
    lab.process()

    with (
        pytest.raises(ProvisioningError) as caught,
        lab.opened[-1][1].provide(SandboxSpec(test="t.py::x", blueprint=described)),
    ):
        pass

    assert f"t.py::x: the build of blueprint {described.name}" in str(caught.value)
    assert "now it fails" in str(caught.value)
    assert lab.devboxes() == {}
