"""PostgreSQL in a sandbox that has Docker: installed, suspended, serialised, and resumed by another client.

    pytest-runloop emulator -- python examples/programs/dockerindocker_postgres_example.py

Needs apt, and so an emulator that root has started (as in a container). A scripted model takes the agent's place.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path

from agents import Runner
from agents.extensions.sandbox.runloop import (
    RunloopSandboxClient,
    RunloopSandboxClientOptions,
    RunloopSandboxSessionState,
    RunloopTimeouts,
    RunloopUserParameters,
)
from agents.run_config import RunConfig, SandboxRunConfig
from agents.sandbox import Manifest, SandboxAgent
from agents.sandbox.entries import File
from agents.testing import ScriptedModel, assistant_message, function_call

APT = "DEBIAN_FRONTEND=noninteractive apt-get -qq --yes"
INSTALL = (
    f"rm -rf /etc/postgresql /var/lib/postgresql; {APT} update && {APT} purge 'postgresql*' > /dev/null && "
    f"{APT} install --no-install-recommends postgresql > /dev/null && service postgresql start"
)
FILL = "CREATE TABLE people (name text, born int); INSERT INTO people VALUES ('Ada', 1815), ('Grace', 1906)"
ROWS = "SELECT name, born FROM people ORDER BY born"


def sql(statement: str) -> str:
    return f"""cd / && su postgres -c "psql --quiet --no-align --tuples-only --command \\"{statement}\\"" """


def scripted(*commands: str, end: str) -> ScriptedModel:
    """Return a model that runs commands, one a turn, and then says something."""
    calls = [
        [function_call("exec_command", {"cmd": command, "yield_time_ms": 120_000}, call_id=f"call-{number}")]
        for number, command in enumerate(commands)
    ]
    return ScriptedModel([*calls, [assistant_message(end)]])


def agent(model: ScriptedModel) -> SandboxAgent:
    return SandboxAgent(name="Database administrator", model=model, instructions="You are root in a sandbox.")


async def prepare(saved: Path) -> None:
    """Phases 1 and 2: set up, suspend, serialise, close the client."""
    client = RunloopSandboxClient()
    options = RunloopSandboxClientOptions(
        blueprint_name="runloop/universal-ubuntu-24.04-x86_64-dnd",
        pause_on_exit=True,
        user_parameters=RunloopUserParameters(username="root", uid=0),
        timeouts=RunloopTimeouts(create_s=600, suspend_s=300, resume_s=300),
    )
    manifest = Manifest(root="/root", entries={"README.md": File(content=b"# A database\n")})
    session = await client.create(manifest=manifest, options=options)
    async with session:
        commands = (INSTALL, sql(FILL), "service postgresql stop", "echo prepared > marker.txt", "docker --version")
        model = scripted(*commands, end="The database is ready.")
        config = RunConfig(sandbox=SandboxRunConfig(session=session), tracing_disabled=True)
        result = await Runner.run(agent(model), "Set up PostgreSQL.", run_config=config, max_turns=20)
        print(result.final_output)
    saved.write_text(json.dumps(client.serialize_session_state(session.state)))
    await client.delete(session)
    await client.close()


async def verify(saved: Path) -> None:
    """Phases 3 and 4: a new client resumes it, and everything on its disk is there."""
    client = RunloopSandboxClient()
    state = client.deserialize_session_state(json.loads(saved.read_text()))
    session = await client.resume(state)
    async with session:
        model = scripted("service postgresql start", sql(ROWS), "cat marker.txt", end="Everything is still there.")
        config = RunConfig(sandbox=SandboxRunConfig(session=session), tracing_disabled=True)
        result = await Runner.run(agent(model), "Check the database.", run_config=config, max_turns=20)
        print(*(item.output for item in result.new_items if item.type == "tool_call_output_item"), sep="\n")
        print(result.final_output)
    # Not to be suspended again: it has served.
    assert isinstance(state, RunloopSandboxSessionState)
    state.pause_on_exit = False
    await client.delete(session)
    await client.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        saved = Path(directory) / "session.json"
        asyncio.run(prepare(saved))
        asyncio.run(verify(saved))


if __name__ == "__main__":
    main()
