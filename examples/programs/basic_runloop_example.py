"""A first agent in a Runloop sandbox, with a scripted model.

pytest-runloop emulator -- python examples/programs/basic_runloop_example.py
"""

from __future__ import annotations

import asyncio

from agents import Runner
from agents.extensions.sandbox.runloop import RunloopSandboxClient, RunloopSandboxClientOptions
from agents.run_config import RunConfig, SandboxRunConfig
from agents.sandbox import Manifest, SandboxAgent
from agents.sandbox.entries import File
from agents.testing import ScriptedModel, assistant_message, function_call

WORKSPACE = Manifest(
    root="/home/user",
    entries={
        "account_brief.md": File(content=b"# Northwind\n\nSegment: mid-market. Renewal: 12 May.\n"),
        "implementation_risks.md": File(content=b"# Risks\n\nThe security questionnaire is not complete.\n"),
    },
)
# In place of a model of OpenAI, so that no key is needed and each run is the same.
MODEL = ScriptedModel(
    [
        [function_call("exec_command", {"cmd": "cat account_brief.md implementation_risks.md"}, call_id="call-1")],
        [assistant_message("Northwind renews on 12 May; its security questionnaire is open.")],
    ]
)


async def main() -> None:
    agent = SandboxAgent(
        name="Account analyst",
        model=MODEL,
        instructions="Read the workspace before you answer.",
        default_manifest=WORKSPACE,
    )
    client = RunloopSandboxClient()
    try:
        config = RunConfig(
            sandbox=SandboxRunConfig(client=client, options=RunloopSandboxClientOptions(pause_on_exit=False)),
            tracing_disabled=True,
        )
        result = await Runner.run(agent, "What do I need to know before the renewal?", run_config=config)
    finally:
        await client.close()
    print(result.final_output)


if __name__ == "__main__":
    asyncio.run(main())
