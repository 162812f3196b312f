"""A LangChain deep agent that works in a Runloop devbox, with a scripted model.

    pip install langchain-runloop
    pytest-runloop emulator -- python examples/programs/langchain_deep_agent.py

The same program runs on Runloop itself with ``RUNLOOP_API_KEY`` set and no ``pytest-runloop emulator --`` before it.
"""

from __future__ import annotations

from collections.abc import Sequence

from deepagents import create_deep_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_runloop import RunloopSandbox
from runloop_api_client import RunloopSDK

ANSWERS = [
    AIMessage(
        "",
        tool_calls=[
            {
                "name": "write_file",
                "args": {"file_path": "/home/user/sum.py", "content": "print(sum(range(101)))\n"},
                "id": "1",
            }
        ],
    ),
    AIMessage("", tool_calls=[{"name": "execute", "args": {"command": "python3 /home/user/sum.py"}, "id": "2"}]),
    AIMessage("The numbers from 1 to 100 add up to 5050."),
]


class ScriptedModel(GenericFakeChatModel):  # type: ignore[misc] # not installed where types are checked
    """Says what it was given, whatever tools there are."""

    def bind_tools(self, tools: Sequence[object], **_: object) -> ScriptedModel:
        return self


def main() -> None:
    with RunloopSDK() as sdk:
        devbox = sdk.devbox.create(name="deep-agent")
        try:
            agent = create_deep_agent(
                model=ScriptedModel(messages=iter(ANSWERS)), backend=RunloopSandbox(devbox=devbox)
            )
            result = agent.invoke({"messages": [{"role": "user", "content": "Add the numbers from 1 to 100."}]})
        finally:
            devbox.shutdown()
    for message in result["messages"]:
        print(f"{message.type}: {message.text}")


if __name__ == "__main__":
    main()
