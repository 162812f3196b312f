import pytest

from pytest_runloop import Sandbox

# scope="module": all tests of this file that ask for the same thing share one sandbox.
pytestmark = pytest.mark.runloop(scope="module", setup=("mkdir work", "seq 1 100 > work/numbers"))


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        pytest.param("wc -l < work/numbers", "100", id="count"),
        pytest.param("tail -n 1 work/numbers", "100", id="last"),
        pytest.param("awk '{ s += $1 } END { print s }' work/numbers", "5050", id="sum"),
    ],
)
def test_one_liner(runloop_sandbox: Sandbox, command: str, answer: str) -> None:
    assert runloop_sandbox.exec(command).stdout.strip() == answer
