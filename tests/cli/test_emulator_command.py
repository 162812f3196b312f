"""``pytest-runloop emulator``, as a process of its own and against the real emulator."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
ASK = """
import os, urllib.request
request = urllib.request.Request(os.environ["RUNLOOP_BASE_URL"] + "/v1/devboxes")
request.add_header("Authorization", "Bearer " + os.environ["RUNLOOP_API_KEY"])
print(urllib.request.urlopen(request).status)
"""
TUNNEL = """
import ssl, sys, urllib.request
import httpx
from runloop_api_client import RunloopSDK
with RunloopSDK() as sdk:
    devbox = sdk.devbox.create(tunnel={"auth_mode": "open"})
    devbox.cmd.exec("echo through > seen; python3 -m http.server 8000 >/dev/null 2>&1 & "
                    "until (: < /dev/tcp/127.0.0.1/8000) 2>/dev/null; do sleep 0.05; done")
    url = devbox.get_tunnel_url(8000) + "/seen"
    print(url.startswith("https://8000-"), httpx.get(url).text, urllib.request.urlopen(url).read())
    print(len(ssl.create_default_context().get_ca_certs()) > 1)
    devbox.shutdown()
"""
UNTIL_TERMINATED = "trap 'kill $!; exit 3' TERM; sleep 60 & echo ready; wait"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if "RUNLOOP" not in name}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTEST_RUNLOOP_STATE": str(tmp_path / "state"), "TMPDIR": str(tmp_path)}


def command(*arguments: str) -> Sequence[str]:
    return [sys.executable, "-m", "pytest_runloop.cli", "emulator", *arguments]


def run(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), env=environment, capture_output=True, text=True, timeout=60, check=False)


@contextlib.contextmanager
def started(*arguments: str, environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Start the command, wait for its first line, and make sure that it ends."""
    with subprocess.Popen(command(*arguments), env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, [process.stdout.readline().strip()]
        finally:
            process.kill()


def emulators(environment: dict[str, str]) -> list[psutil.Process]:
    """Find the emulators of this test, by the state directory in their arguments."""
    state = environment["PYTEST_RUNLOOP_STATE"]
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if state in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def test_the_command_gets_an_emulator_that_answers(environment: dict[str, str]) -> None:
    done = run("--", sys.executable, "-c", ASK, environment=environment)

    assert (done.returncode, done.stdout) == (0, "200\n"), done.stderr
    assert emulators(environment) == []


def test_the_command_reaches_tunnels_by_the_clients_own_urls(environment: dict[str, str]) -> None:
    """A program for the real service knows no other way; the authorities it trusts anyway stay."""
    done = run("--", sys.executable, "-c", TUNNEL, environment=environment)

    assert (done.returncode, done.stdout) == (0, "True through\n b'through\\n'\nTrue\n"), done.stderr


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "all_proxy"])
def test_a_proxy_that_is_there_stays(environment: dict[str, str], name: str) -> None:
    own = {name: "http://own:1", "SSL_CERT_FILE": "own.pem"}
    done = run("--", "sh", "-c", f"echo ${name} $SSL_CERT_FILE $NODE_USE_ENV_PROXY", environment={**environment, **own})

    assert done.stdout == "http://own:1 own.pem\n"


@pytest.mark.parametrize(
    ("script", "code"),
    [pytest.param("exit 7", 7, id="exit-code"), pytest.param("kill -9 $$", 137, id="killed-by-a-signal")],
)
def test_the_exit_code_is_the_commands(environment: dict[str, str], script: str, code: int) -> None:
    assert run("--", "sh", "-c", script, environment=environment).returncode == code


def test_a_missing_command_is_named(environment: dict[str, str]) -> None:
    done = run("--", "no-such-program", environment=environment)

    assert done.returncode == 127
    assert "no-such-program: No such file or directory" in done.stderr
    assert emulators(environment) == []


def test_a_signal_reaches_the_command(environment: dict[str, str]) -> None:
    with started("--", "bash", "-c", UNTIL_TERMINATED, environment=environment) as (process, lines):
        assert lines == ["ready"]
        process.send_signal(signal.SIGTERM)

        assert process.wait(30) == 3
    assert emulators(environment) == []


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM], ids=["int", "term"])
def test_without_a_command_it_serves_until_a_signal(environment: dict[str, str], signum: signal.Signals) -> None:
    with started(environment=environment) as (process, lines):
        assert process.stdout is not None
        exports = [*lines, process.stdout.readline().strip()]
        values = dict(line.removeprefix("export ").split("=", 1) for line in exports)
        answer = subprocess.run(
            [sys.executable, "-c", ASK], env={**environment, **values}, capture_output=True, check=True
        )
        process.send_signal(signum)

        assert answer.stdout == b"200\n"
        assert process.wait(30) == 0
    assert emulators(environment) == []
    assert list(Path(environment["TMPDIR"]).glob("pytest-runloop-*")) == []


def test_the_port_can_be_chosen_and_a_taken_one_is_an_error(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        done = run("--port", port, "--", "true", environment=environment)

    assert done.returncode == 1
    assert port in done.stderr
    free = run("--port", port, "--", "sh", "-c", "echo $RUNLOOP_BASE_URL", environment=environment)
    assert free.stdout == f"http://127.0.0.1:{port}\n"


def test_a_state_directory_that_cannot_be_is_an_error(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    done = run("--state", str(tmp_path / "file"), "--", "true", environment=environment)

    assert done.returncode == 1
    assert str(tmp_path / "file") in done.stderr


def test_when_it_is_killed_the_emulator_ends_too(environment: dict[str, str]) -> None:
    with started(environment=environment) as (process, _):
        [server] = [found for found in emulators(environment) if "pytest_runloop.emulator" in found.cmdline()]
        process.kill()

        server.wait(5)
    deadline = time.monotonic() + 5
    while emulators(environment) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert emulators(environment) == []
