"""Commands, as the vendor's clients and documentation have them."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from runloop_api_client import NotFoundError, RunloopSDK
from runloop_api_client.sdk import Devbox


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_exit_codes_are_kept(devbox: Devbox, code: int) -> None:
    """Execution API: ``exit_status`` is the command's own; empty output is an empty string."""
    result = devbox.cmd.exec(f"exit {code}")

    assert (result.exit_code, result.success) == (code, code == 0)
    assert (result.stdout(num_lines=1), result.stderr()) == ("", "")


def test_streams_are_never_mixed(devbox: Devbox) -> None:
    """Execution API: stdout and stderr are separate."""
    result = devbox.cmd.exec("echo out; echo err >&2")

    assert (result.stdout(), result.stderr()) == ("out\n", "err\n")


def test_commands_are_bash_and_may_be_long_and_have_many_lines(devbox: Devbox) -> None:
    """Clients send scripts of kilobytes with heredocs and brace expansion."""
    filler = "# " + "x" * 6000
    script = f"{filler}\ncat <<'EOF'\nit's \"here\"\nEOF\necho {{1..3}}\n"

    assert devbox.cmd.exec(script).stdout() == 'it\'s "here"\n1 2 3\n'


def test_a_command_is_as_long_as_its_client_likes(devbox: Devbox) -> None:
    """Execution API: no limit is documented; Linux has one for arguments."""
    result = devbox.cmd.exec(f"cat > long <<'EOF'\n{'é' * 200_000}\nEOF\nwc -m < long; echo $0; cat; exit 3")

    assert (result.exit_code, result.stdout()) == (3, "200001\n/bin/bash\n")


def test_a_command_starts_at_home_with_a_fresh_environment_and_empty_input(devbox: Devbox) -> None:
    """Execution API: without ``shell_name`` nothing carries over."""
    devbox.cmd.exec("cd /tmp; export LEFT=1")

    assert devbox.cmd.exec('pwd; echo "[$LEFT]"; cat').stdout() == "/home/user\n[]\n"


def test_a_background_child_does_not_hold_the_command(devbox: Devbox) -> None:
    """A command is over when its shell is, as servers are started this way."""
    started = time.monotonic()

    result = devbox.cmd.exec("sleep 5 & echo started")

    assert result.stdout() == "started\n"
    assert time.monotonic() - started < 3


def test_a_death_by_signal_is_128_plus_its_number(devbox: Devbox) -> None:
    """A shell's own convention."""
    assert devbox.cmd.exec("kill -TERM $$").exit_code == 143


def test_execute_holds_and_then_answers_with_what_there_is(http: httpx.Client, devbox: Devbox) -> None:
    """Execution API, execute: 200 and ``running`` when the optimistic time is over."""
    body = {"command": "sleep 1; echo done", "command_id": str(uuid.uuid4()), "optimistic_timeout": 0.2}
    path = f"/v1/devboxes/{devbox.id}"

    view = http.post(f"{path}/execute", json=body).json()
    again = http.post(f"{path}/execute", json={**body, "optimistic_timeout": 20}).json()

    assert (view["status"], view["exit_status"]) == ("running", None)
    assert again["execution_id"] == view["execution_id"]
    assert (again["status"], again["exit_status"], again["stdout"]) == ("completed", 0, "done\n")


def test_execute_needs_a_command_id(http: httpx.Client, devbox: Devbox) -> None:
    """Execution API, execute: ``command_id`` is required."""
    answer = http.post(f"/v1/devboxes/{devbox.id}/execute", json={"command": "true"})

    assert answer.status_code == 400
    assert "command_id" in answer.json()["message"]


def test_the_client_s_own_execute_and_wait(sdk: RunloopSDK, devbox: Devbox) -> None:
    """Client helper: execute, then long polls."""
    view = sdk.api.devboxes.execute_and_await_completion(devbox.id, command="sleep 0.2; echo hello")

    assert (view.status, view.stdout) == ("completed", "hello\n")


def test_a_long_poll_of_an_execution_ends_with_408(http: httpx.Client, devbox: Devbox) -> None:
    """A long poll answers 200 only when its condition is met."""
    path = f"/v1/devboxes/{devbox.id}"
    execution = http.post(f"{path}/execute_async", json={"command": "sleep 30"}).json()["execution_id"]
    one = f"{path}/executions/{execution}"

    assert http.post(f"{one}/wait_for_status", json={"statuses": ["running"]}).json()["status"] == "running"
    late = http.post(f"{one}/wait_for_status", json={"statuses": ["completed"], "timeout_seconds": 0.2})
    assert late.status_code == 408
    assert late.headers.get("x-should-retry") is None
    assert http.post(f"{one}/wait_for_status", json={"statuses": ["over"]}).status_code == 400
    assert http.post(f"{one}/kill").json()["exit_status"] == 137
    assert http.post(f"{one}/kill").json()["exit_status"] == 137


def test_execute_sync_answers_with_the_result_itself(http: httpx.Client, devbox: Devbox) -> None:
    """Execution API, execute_sync: still used by the vendor's command line."""
    answer = http.post(f"/v1/devboxes/{devbox.id}/execute_sync", json={"command": "echo a; echo b >&2; exit 3"}).json()

    assert answer == {"devbox_id": devbox.id, "stdout": "a\n", "stderr": "b\n", "exit_status": 3, "shell_name": None}


def test_killing_the_group_ends_the_children(sdk: RunloopSDK, devbox: Devbox) -> None:
    """Execution API, kill: ``kill_process_group`` reaches the whole group."""
    execution = devbox.cmd.exec_async("sleep 301 & sleep 302; wait")

    sdk.api.devboxes.executions.kill(execution.execution_id, devbox_id=devbox.id, kill_process_group=True)

    assert execution.result().exit_code == 137
    assert devbox.cmd.exec("pgrep -f 'sleep 30[1]'").exit_code == 1


def test_stdin_is_fed_closed_and_interrupted(http: httpx.Client, devbox: Devbox) -> None:
    """Execution API, send_std_in: text, EOF and INTERRUPT; only with ``attach_stdin``."""
    path = f"/v1/devboxes/{devbox.id}"

    def start(command: str, *, attach: bool, **more: str) -> str:
        view = http.post(f"{path}/execute_async", json={"command": command, "attach_stdin": attach, **more}).json()
        return f"{path}/executions/{view['execution_id']}"

    def send(one: str, **what: str) -> bool:
        return bool(http.post(f"{one}/send_std_in", json=what).json()["success"])

    def result(one: str) -> tuple[int, str]:
        view = http.post(f"{one}/wait_for_status", json={"statuses": ["completed"], "timeout_seconds": 10}).json()
        return view["exit_status"], view["stdout"]

    cat = start("cat; echo over", attach=True)
    assert send(cat, text="a\n")
    assert send(cat, text="b")
    assert send(cat, signal="EOF")
    assert result(cat) == (0, "a\nbover\n")
    assert not send(cat, text="late")
    sleeping = start("trap 'echo stopped; exit 7' INT; echo ready; sleep 30 & wait", attach=True)
    deadline = time.monotonic() + 10
    while "ready" not in http.get(sleeping).json()["stdout"] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert send(sleeping, signal="INTERRUPT")
    assert result(sleeping) == (7, "ready\nstopped\n")
    without = start("sleep 1", attach=False)
    assert not send(without, text="a")
    assert not send(start("sleep 1", attach=True, shell_name="deaf"), signal="EOF")
    assert http.post(f"{without}/send_std_in", json={}).status_code == 400
    assert http.post(f"{without}/send_std_in", json={"text": "a", "signal": "EOF"}).status_code == 400


def test_the_same_request_id_runs_a_command_once(http: httpx.Client, devbox: Devbox) -> None:
    """A request is repeated with the same ``x-request-id`` when its answer was lost."""
    headers = {"x-request-id": f"stainless-python-retry-{uuid.uuid4()}"}
    command = {"command": "echo x >> ~/once"}

    ids = {
        http.post(f"/v1/devboxes/{devbox.id}/execute_async", json=command, headers=headers).json()["execution_id"]
        for _ in range(3)
    }

    assert len(ids) == 1
    assert devbox.cmd.exec("cat ~/once; rm ~/once").stdout() == "x\n"


def test_an_unknown_execution_is_not_found(sdk: RunloopSDK, devbox: Devbox) -> None:
    """Execution API: 404."""
    with pytest.raises(NotFoundError):
        sdk.api.devboxes.executions.retrieve("exe_nope", devbox_id=devbox.id)


def test_many_commands_run_at_once(http: httpx.Client, devbox: Devbox) -> None:
    """Clients write several files in parallel."""

    def run(number: int) -> str:
        body = {"command": f"sleep 0.5; echo {number}"}
        answer = http.post(f"/v1/devboxes/{devbox.id}/execute_sync", json=body)
        return f"{answer.json()['stdout']}"

    started = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        outputs = list(pool.map(run, range(16)))

    assert outputs == [f"{number}\n" for number in range(16)]
    assert time.monotonic() - started < 5
