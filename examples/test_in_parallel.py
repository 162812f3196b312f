"""Run me with ``pytest -n 2``: each worker gets sandboxes of its own, from one emulator."""

import pytest

from pytest_runloop import Sandbox


@pytest.mark.runloop
@pytest.mark.parametrize("name", ["ada", "grace", "joan", "mary"])
def test_sandboxes_do_not_meet(runloop_sandbox: Sandbox, name: str) -> None:
    assert not runloop_sandbox.exists("name.txt")

    runloop_sandbox.write_text("name.txt", name)

    assert runloop_sandbox.read_text("name.txt") == name
