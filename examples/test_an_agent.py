import pytest
from agents.sandbox import Manifest, SandboxAgent
from agents.sandbox.entries import File
from agents.testing import ScriptedModel, assistant_message, function_call

from pytest_runloop import Sandbox

WORKSPACE = Manifest(
    root="/home/user",
    entries={
        "account_brief.md": File(content=b"# Northwind\n\nSegment: mid-market. Renewal: 12 May.\n"),
        "risks.md": File(content=b"# Risks\n\nSecurity questionnaire is not complete.\n"),
    },
)


@pytest.mark.runloop(manifest=WORKSPACE)
def test_the_agent_reads_its_workspace(runloop_sandbox: Sandbox) -> None:
    model = ScriptedModel(
        [
            [function_call("exec_command", {"cmd": "cat *.md | tee summary.txt"}, call_id="call-1")],
            [assistant_message("Renewal is on 12 May; the security questionnaire is open.")],
        ]
    )
    agent = SandboxAgent(name="Analyst", model=model, instructions="Read the workspace, then summarise it.")

    result = runloop_sandbox.run_agent(agent, "What do I need to know before the renewal?")

    assert "12 May" in result.final_output
    assert model.last_call is not None
    assert "Security questionnaire" in str(model.last_call.input)  # the command really ran, in the sandbox
    assert "Northwind" in runloop_sandbox.read_text("summary.txt")
    model.assert_complete()
