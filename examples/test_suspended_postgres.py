"""PostgreSQL in a root sandbox: installed once, suspended, and resumed by another process from a JSON file.

``python test_suspended_postgres.py session.json`` is that other process.
"""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from agents.extensions.sandbox.runloop import RunloopSandboxClient

from pytest_runloop import Endpoint, Sandbox, SandboxFactory, SuspendedSnapshot, Target

# What apt prints is another in each run; what it complains of still shows.
APT = "DEBIAN_FRONTEND=noninteractive apt-get > /dev/null --yes"
# From nothing, also where the sandbox's system had one before.
INSTALL = (
    f"rm -rf /etc/postgresql /var/lib/postgresql && {APT} update && {APT} purge 'postgresql*' && "
    f"{APT} install --no-install-recommends postgresql"
)
START = "service postgresql start"
# Processes don't survive a suspension; a database that was stopped has all its data on the disk.
STOP = "service postgresql stop"
FILL = "CREATE TABLE people (name text, born int); INSERT INTO people VALUES ('Ada', 1815), ('Grace', 1906)"
ROWS = "SELECT name, born FROM people ORDER BY born"


def sql(statement: str) -> str:
    return f"""cd / && su postgres -c "psql --quiet --no-align --tuples-only --command \\"{statement}\\"" """


pytestmark = [
    pytest.mark.runloop(
        blueprint="runloop/universal-ubuntu-24.04-x86_64-dnd",
        setup=(INSTALL, START, sql(FILL), STOP, "echo prepared > ~/marker.txt"),
    ),
    pytest.mark.usefixtures("apt"),
]


@pytest.fixture
def apt(runloop_sandbox_factory: SandboxFactory) -> None:
    sandbox = runloop_sandbox_factory(user="root", setup=None)
    if not sandbox.exec("test -O /var/lib/dpkg").ok:
        pytest.skip("apt needs an emulator that root has started: run pytest as root, as in a container, or run live")
    if not sandbox.exec(f"{APT} --error-on=any update", timeout=120).ok:
        pytest.skip("apt reaches no server from here: run with a network, or a proxy in http_proxy")


def test_a_fork_has_the_database(suspended_root_snapshot: SuspendedSnapshot) -> None:
    with suspended_root_snapshot.fork() as sandbox:
        sandbox.exec(START, check=True)

        assert sandbox.exec(sql(ROWS), check=True).stdout.split() == ["Ada|1815", "Grace|1906"]


def test_a_sandbox_has_it_too(runloop_root_sandbox: Sandbox) -> None:
    assert runloop_root_sandbox.exec("dpkg --status postgresql").ok
    assert not runloop_root_sandbox.exec("pgrep postgres").ok


def test_another_process_resumes_it(
    suspended_root_snapshot: SuspendedSnapshot, runloop_endpoint: Endpoint, tmp_path: Path
) -> None:
    if runloop_endpoint.target is Target.REPLAY:
        pytest.skip("the other process is no test, so it has no cassette: run on the emulator, or live")
    saved = tmp_path / "session.json"
    saved.write_text(suspended_root_snapshot.state_json)
    keys = {"RUNLOOP_BASE_URL": runloop_endpoint.base_url, "RUNLOOP_API_KEY": runloop_endpoint.api_key}

    other = subprocess.run(
        [sys.executable, __file__, saved], env={**os.environ, **keys}, stdout=subprocess.PIPE, check=True
    )

    answers = json.loads(other.stdout)
    assert answers["devbox"] == json.loads(saved.read_text())["devbox_id"]
    assert "install ok installed" in answers["package"]
    assert answers["rows"].split() == ["Ada|1815", "Grace|1906"]
    assert answers["marker"] == "prepared\n"


async def resume(state_json: str) -> dict[str, str]:
    async with RunloopSandboxClient() as client:
        session = await client.resume(client.deserialize_session_state(json.loads(state_json)))
        async with session:
            commands = {
                "package": "dpkg --status postgresql",
                "rows": f"{START} > /dev/null && {sql(ROWS)}",
                "marker": "cat ~/marker.txt",
                "stopped": STOP,
            }
            answers = {name: (await session.exec(command)).stdout.decode() for name, command in commands.items()}
            # Leaving suspends it again: its state says pause_on_exit.
            return {**answers, "devbox": session.state.model_dump()["devbox_id"]}


if __name__ == "__main__":
    json.dump(asyncio.run(resume(Path(sys.argv[1]).read_text())), sys.stdout)
