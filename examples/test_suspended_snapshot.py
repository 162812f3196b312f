import pytest

from pytest_runloop import Sandbox, SuspendedSnapshot

# The set-up runs once. Later tests, workers, runs and machines find what it has made.
pytestmark = pytest.mark.runloop(setup=("mkdir data", "seq 1 1000000 | sort --random-sort > data/shuffled"))


def test_a_fork_is_as_the_setup_left_it(suspended_snapshot: SuspendedSnapshot) -> None:
    with suspended_snapshot.fork() as one, suspended_snapshot.fork() as two:
        one.remove("data/shuffled")

        assert two.exec("wc -l < data/shuffled").stdout.strip() == "1000000"


def test_a_sandbox_is_a_fork_too(runloop_sandbox: Sandbox) -> None:
    assert runloop_sandbox.listdir("data") == ["shuffled"]


def test_a_resumed_sandbox_remembers(suspended_snapshot: SuspendedSnapshot) -> None:
    with suspended_snapshot.resume() as sandbox:
        sandbox.exec("echo was here >> visitors", check=True)

    # Suspended here, and resumed.
    with suspended_snapshot.resume() as sandbox:
        assert "was here" in sandbox.read_text("visitors")
