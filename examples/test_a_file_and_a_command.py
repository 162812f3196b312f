import pytest

from pytest_runloop import Sandbox


@pytest.mark.runloop(files={"numbers.txt": "3\n1\n2\n"}, env_vars={"LC_ALL": "C"})
def test_sort(runloop_sandbox: Sandbox) -> None:
    result = runloop_sandbox.exec("sort numbers.txt > sorted.txt && cat sorted.txt")

    assert result.ok
    assert result.stdout == "1\n2\n3\n"
    assert runloop_sandbox.read_text("sorted.txt") == "1\n2\n3\n"


@pytest.mark.runloop
def test_a_failure_shows_itself(runloop_sandbox: Sandbox) -> None:
    result = runloop_sandbox.exec(["grep", "needle", "/etc/hostname"])

    assert result.exit_code == 1
    assert not result.ok
