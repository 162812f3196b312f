"""Named shells and logs, as the vendor's clients and documentation have them."""

from __future__ import annotations

import time
import uuid

import pytest
from runloop_api_client import RunloopSDK
from runloop_api_client.sdk import Devbox


def test_a_named_shell_keeps_directory_variables_and_functions(devbox: Devbox) -> None:
    """Named shells: state carries over; two of them are strangers."""
    shell, other = devbox.shell("kept"), devbox.shell()

    shell.exec("mkdir -p ~/sub && cd ~/sub && export A=1; B=2; f() { echo f$A$B; }")
    shell.exec("export C=3")

    assert shell.exec("pwd; f; echo $C").stdout() == "/home/user/sub\nf12\n3\n"
    assert other.exec('pwd; echo "[$A]"').stdout() == "/home/user\n[]\n"
    assert shell.exec("echo text > file; ls; cat file").stdout() == "file\ntext\n"


def test_commands_of_a_named_shell_wait_their_turn(devbox: Devbox) -> None:
    """Named shells: strictly one after another, each with its own output."""
    shell = devbox.shell()
    started = time.monotonic()

    executions = [shell.exec_async(f"sleep 0.5; echo {number}; echo e{number} >&2") for number in range(3)]
    state = executions[2].get_state().status
    results = [execution.result() for execution in executions]

    assert state == "queued"
    assert time.monotonic() - started >= 1.5
    assert [(one.exit_code, one.stdout(), one.stderr()) for one in results] == [
        (0, f"{number}\n", f"e{number}\n") for number in range(3)
    ]


def test_a_named_shell_that_exits_is_replaced(devbox: Devbox) -> None:
    """Named shells: ``exit`` gives its code; the next command gets a new shell."""
    shell = devbox.shell()

    assert shell.exec("LOST=1; exit 7").exit_code == 7
    assert shell.exec('echo "[$LOST]"').stdout() == "[]\n"


def test_a_named_shell_streams_what_its_result_has(devbox: Devbox) -> None:
    """Named shells: callback text equals the result."""
    pieces: list[str] = []

    result = devbox.shell().exec("echo a; sleep 0.3; echo b", stdout=pieces.append)

    assert "".join(pieces) == result.stdout() == "a\nb\n"


@pytest.mark.parametrize("filtered", ["nothing", "execution", "shell"])
def test_logs_have_each_command_s_output(devbox: Devbox, filtered: str) -> None:
    """Devbox logs: a command, its lines and its end, by execution or shell if wanted."""
    text = f"logged-{uuid.uuid4()}"
    shell = devbox.shell(f"log-{text}")
    result = shell.exec(f"echo {text}; exit 5")
    execution_id = result.execution_id if filtered == "execution" else ""
    shell_name = f"log-{text}" if filtered == "shell" else ""

    logs = devbox.logs(execution_id=execution_id, shell_name=shell_name).logs

    ours = [entry for entry in logs if entry.cmd_id == result.execution_id]
    assert [entry.message for entry in ours if entry.message] == [text]
    assert [entry.exit_code for entry in ours if entry.exit_code is not None] == [5]
    assert ours[0].cmd == f"echo {text}; exit 5"
    assert {entry.source for entry in ours} == {"exec"}
    assert filtered == "nothing" or ours == logs


def test_executions_survive_a_suspend_as_records(sdk: RunloopSDK) -> None:
    """Executions end with the devbox's processes; what they were stays readable."""
    devbox = sdk.devbox.create()
    done = devbox.cmd.exec("echo done")
    cut = devbox.cmd.exec_async("echo begun; sleep 300")

    devbox.suspend()
    devbox.await_suspended()

    retrieve = sdk.api.devboxes.executions.retrieve
    assert retrieve(done.execution_id, devbox_id=devbox.id).stdout == "done\n"
    assert retrieve(cut.execution_id, devbox_id=devbox.id).status == "completed"
    assert retrieve(cut.execution_id, devbox_id=devbox.id).exit_status != 0
    devbox.shutdown()
