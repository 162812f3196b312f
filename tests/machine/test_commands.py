"""Commands in a sandbox: exit codes, streams, signals, input, background processes, crowds."""

from __future__ import annotations

import asyncio
import signal

import pytest

from pytest_runloop.emulator.machine.account import ROOT, Account
from tests.machine.conftest import Lab, text


def test_the_standard_account_starts_at_home(lab: Lab) -> None:
    _, machine = lab.boot()

    ran = lab.run(machine, "id -u; id -un; pwd; echo $HOME $USER $GREETING", GREETING="hi")

    assert ran.stdout == "1000\nuser\n/home/user\n/home/user user hi\n"


def test_root_is_root_at_its_home(lab: Lab) -> None:
    _, machine = lab.boot(ROOT)

    assert lab.run(machine, "id -u; pwd; touch /root/x && echo made").stdout == "0\n/root\nmade\n"


def test_an_account_the_image_does_not_know_is_made(lab: Lab) -> None:
    disk, machine = lab.boot(Account(username="alice", uid=1234))
    first = lab.run(machine, "id -un; id -u; pwd; echo kept >mine")
    lab.do(machine.halt())
    machine = lab.reboot(disk, Account(username="alice", uid=1234))

    assert first.stdout == "alice\n1234\n/home/alice\n"
    assert lab.run(machine, "cat mine; grep -c ^alice: /etc/passwd").stdout == "kept\n1\n"


@pytest.mark.parametrize(
    ("command", "code"), [("exit 42", 42), ("kill -9 $$", 137), ("nonsense", 127), ("true", 0), ("kill -TERM $$", 143)]
)
def test_exit_codes(lab: Lab, command: str, code: int) -> None:
    _, machine = lab.boot()

    assert lab.run(machine, command).code == code


def test_streams_are_apart_and_can_be_opened_by_name(lab: Lab) -> None:
    _, machine = lab.boot()

    ran = lab.run(machine, "echo out >/dev/stdout; echo err >/dev/stderr; printf 'no newline'")

    assert (ran.stdout, ran.stderr) == ("out\nno newline", "err\n")


def test_a_background_process_does_not_hold_the_command(lab: Lab) -> None:
    _, machine = lab.boot()

    assert lab.run(machine, "sleep 1000 & echo started").stdout == "started\n"
    assert lab.run(machine, "pgrep -c sleep").stdout.strip() == "1"


def test_input_is_given_and_ended(lab: Lab) -> None:
    _, machine = lab.boot()
    process = lab.do(machine.run("cat; echo done", env={}, stdin=True))

    lab.do(process.write_stdin(b"x" * 300_000))
    process.close_stdin()

    assert lab.finish(process).stdout == "x" * 300_000 + "done\n"
    with pytest.raises(BrokenPipeError):
        lab.do(process.write_stdin(b"late"))


def test_without_input_a_reader_sees_the_end_at_once(lab: Lab) -> None:
    _, machine = lab.boot()

    assert lab.run(machine, "cat; echo end").stdout == "end\n"


def test_killing_the_group_takes_the_children(lab: Lab) -> None:
    _, machine = lab.boot()
    process = lab.do(machine.run("sleep 1000 | sleep 1000", env={}))

    process.signal(signal.SIGKILL, group=True)

    assert lab.finish(process).code == 137
    lab.until(machine, "pgrep -cx sleep", "0\n")


def test_sixty_four_commands_run_at_once(lab: Lab) -> None:
    _, machine = lab.boot()

    async def crowd() -> list[str]:
        barrier = "touch in-$N; until [ $(ls in-* | wc -l) = 64 ]; do sleep 0.05; done; echo $N"
        processes = [await machine.run(barrier, env={"N": str(n)}) for n in range(64)]
        await asyncio.gather(*(process.wait() for process in processes))
        return [text(process.stdout) for process in processes]

    assert lab.do(crowd()) == [f"{n}\n" for n in range(64)]


def test_output_is_complete_however_long(lab: Lab) -> None:
    _, machine = lab.boot()

    process = lab.do(machine.run("seq 1 500000", env={}))
    lab.do(process.wait())

    assert text(process.stdout) == "".join(f"{n}\n" for n in range(1, 500_001))
    assert process.stdout.tail(2) == (b"499999\n500000\n", True)


def test_a_shell_keeps_directory_variables_and_functions(lab: Lab) -> None:
    _, machine = lab.boot()
    shell = lab.do(machine.shell(env={"GIVEN": "1"}))

    commands = ["cd /tmp; X=5; export Y=6; f() { echo f; }", "pwd; echo $X $Y $GIVEN; f; echo err >&2", "cat; false"]
    ran = [lab.finish(lab.do(shell.run(command))) for command in commands]

    assert [r.code for r in ran] == [0, 0, 1]
    assert (ran[1].stdout, ran[1].stderr) == ("/tmp\n5 6 1\nf\n", "err\n")


def test_a_shell_that_exits_ends_with_its_command(lab: Lab) -> None:
    _, machine = lab.boot()
    shell = lab.do(machine.shell(env={}))

    assert lab.finish(lab.do(shell.run("echo last; exit 7"))).code == 7
    assert shell.ended


def test_a_shell_command_that_is_killed_ends_its_shell(lab: Lab) -> None:
    _, machine = lab.boot()
    shell = lab.do(machine.shell(env={}))
    process = lab.do(shell.run("sleep 1000"))

    process.signal(signal.SIGKILL, group=True)

    assert lab.finish(process).code == 137
    assert shell.ended


def test_nul_characters_and_endless_environments_are_refused(lab: Lab) -> None:
    _, machine = lab.boot()

    with pytest.raises(ValueError, match="NUL"):
        lab.do(machine.run("echo \0", env={}))
    with pytest.raises(ValueError, match="too long"):
        lab.do(machine.run("true", env={"LONG": "x" * 300_000}))


def test_processes_end_with_the_machine_and_so_do_their_commands(lab: Lab) -> None:
    _, machine = lab.boot()
    process = lab.do(machine.run("sleep 1000", env={}))

    lab.do(machine.halt())

    assert lab.finish(process).code == 137
    assert lab.deaths == []
    with pytest.raises(OSError, match="No such process"):
        lab.do(machine.run("true", env={}))
