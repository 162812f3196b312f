"""Agents whose model is asked through OpenAI's own client: one cassette holds the model's calls and the sandbox's."""

from __future__ import annotations

import http.server
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

KEY = "sk-proj-0123456789abcdefghijklmnop"
AGENTS = """
    import asyncio

    import pytest
    from agents import OpenAIResponsesModel, Runner
    from agents.sandbox import SandboxAgent
    from openai import AsyncOpenAI

    pytestmark = pytest.mark.runloop(files={"who.txt": "moon"})

    def agent():
        return SandboxAgent(name="Reader", model=OpenAIResponsesModel("gpt-5", AsyncOpenAI()), instructions="Read.")

    def test_plain(runloop_sandbox):
        assert runloop_sandbox.run_agent(agent(), "Who?").final_output == "It said moon"

    @pytest.mark.asyncio
    async def test_streamed(runloop_sandbox):
        result = Runner.run_streamed(agent(), "Who?", run_config=runloop_sandbox.run_config())
        events = [event.type async for event in result.stream_events()]
        assert result.final_output == "It said moon"
        assert events.count("raw_response_event") == 8

    @pytest.mark.asyncio
    async def test_alike_at_once(runloop_sandbox_factory):
        made = await asyncio.gather(*(runloop_sandbox_factory.aio() for _ in range(3)))
        await asyncio.gather(*(one.aio.write_text("n", str(at)) for at, one in enumerate(made)))
        assert [await one.aio.read_text("n") for one in made] == ["0", "1", "2"]

    def test_alike_one_by_one(runloop_sandbox_factory):
        made = [runloop_sandbox_factory() for _ in range(2)]
        for at, one in enumerate(made):
            one.write_text("n", str(at))
        assert [one.read_text("n") for one in made] == ["0", "1"]
"""


class Model(http.server.BaseHTTPRequestHandler):
    """Asks for a file at first, and then says what it has read."""

    protocol_version = "HTTP/1.1"
    asked: list[str]

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append(self.path)
        number = len(self.asked)
        outputs = [item for item in asked["input"] if dict(item).get("type") == "function_call_output"]
        answer = _answer(number, asked["model"], _said(number, outputs) if outputs else _call(number))
        if asked.get("stream"):
            self._send(b"".join(map(_event, _events(answer))), "text/event-stream")
        else:
            self._send(json.dumps(answer).encode(), "application/json")

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base
        """Say nothing."""


def _call(number: int) -> dict[str, Any]:
    call = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "status": "completed"}
    return {**call, "name": "exec_command", "arguments": json.dumps({"cmd": "cat who.txt"})}


def _said(number: int, outputs: list[object]) -> dict[str, Any]:
    text = "It said moon" if "moon" in json.dumps(outputs) else "It said nothing"
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed", "content": content}


def _answer(number: int, model: str, item: dict[str, Any]) -> dict[str, Any]:
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2, **details}
    head = {"id": f"resp_{number}", "object": "response", "created_at": 1764000000, "status": "completed"}
    rest = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "metadata": {}, "usage": usage}
    return {**head, "model": model, "output": [item], **rest}


def _events(answer: dict[str, Any]) -> list[dict[str, Any]]:
    (item,) = answer["output"]
    return [
        {"type": "response.created", "response": {**answer, "output": [], "status": "in_progress"}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": answer},
    ]


def _event(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': 0})}\n\n".encode()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the model was asked."""
    seen: list[str] = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Model,), {"asked": seen}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1")
    yield seen
    server.shutdown()
    thread.join()
    server.server_close()


def test_agents_replay_without_a_model_a_sandbox_or_a_key(
    empty_project: pytest.Pytester,
    asked: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    monkeypatch.setenv("PYTEST_RUNLOOP_STATE", str(tmp_path_factory.mktemp("state")))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    empty_project.makepyfile(test_it=AGENTS)
    pytest_ = (sys.executable, "-m", "pytest")

    recorded = empty_project.run(*pytest_, "--runloop-target=emulator", "--runloop-record=once")
    monkeypatch.setenv("PYTEST_RUNLOOP_STATE", "/dev/null/nowhere")
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name)
    replayed = empty_project.run(*pytest_, "--runloop-target=replay")

    recorded.assert_outcomes(passed=4)
    replayed.assert_outcomes(passed=4)
    replayed.stdout.fnmatch_lines(["=* runloop: 4 tests replayed =*"])
    assert asked == ["/v1/responses"] * 4
    plain = json.loads(Path("cassettes/test_it/test_plain.json").read_text())["interactions"]
    assert {exchange["request"].get("host", "runloop") for exchange in plain} == {"runloop", "openai"}
    assert not [path for path in Path("cassettes").rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
