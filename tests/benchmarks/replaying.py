"""What a replay costs, next to plain vcrpy, pytest-recording and cassetter on the same traffic. Prints; judges nothing.

Needs vcrpy's own default YAML to be readable in this environment, and `pip install pytest-recording cassetter`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import cassetter
import httpx
import vcr

sys.path.insert(0, str(Path(__file__).parents[2]))

from pytest_runloop.cassettes.exchange import RUNLOOP, Request
from pytest_runloop.cassettes.files import document
from pytest_runloop.cassettes.playing import meaning
from pytest_runloop.cassettes.secrets.scrubbing import Scrubber
from pytest_runloop.cassettes.traffic.jobs import Job, Mode
from pytest_runloop.cassettes.traffic.studio import Studio
from pytest_runloop.emulator.launcher import Running, launch, stop

Tool = Callable[[Path, str, bool], Any]
"""Returns a context manager that opens a cassette: its file, the server's address, and whether to record."""

ROOT = Path(__file__).parents[2]
FILES = 20
TESTS = 100
UNMARKED = (100, 5000)


# ── the tools ────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def ours(path: Path, base_url: str, record: bool) -> Iterator[Studio]:  # noqa: FBT001 - one signature for all tools
    studio = Studio(base_url=base_url, replay=not record, scrubber=Scrubber({}), rules=meaning.Rules(()))
    job = Job(path=path, what="test", name=path.stem, mode=Mode.RECORD if record else Mode.REPLAY)
    studio.install()
    studio.start(job)
    try:
        yield studio
    finally:
        problems = studio.finish(job, keep=True)
        studio.close()
    assert not problems, problems


def plain_vcrpy(path: Path, _: str, record: bool) -> Any:  # noqa: ANN401, FBT001 - no types
    return vcr.use_cassette(str(path), record_mode="all" if record else "none")


def vcrpy_by_meaning(path: Path, _: str, record: bool) -> Any:  # noqa: ANN401, FBT001 - no types
    recorder = vcr.VCR(record_mode="all" if record else "none", match_on=["meaning"])
    recorder.register_matcher("meaning", lambda one, other: key_of(one) == key_of(other))
    return recorder.use_cassette(str(path))


def key_of(request: vcr.request.Request) -> str:
    query = f"?{request.parts.query}" if hasattr(request, "parts") and request.parts.query else ""
    asked = Request(
        method=request.method,
        host=RUNLOOP,
        path=request.path + query,
        content_type=request.headers.get("content-type", ""),
        body=request.body or b"",
    )
    return meaning.of(asked, meaning.Rules(())).key


def peer_cassetter(path: Path, _: str, record: bool) -> Any:  # noqa: ANN401, FBT001 - no types
    return cassetter.use_cassette(str(path), record_mode="all" if record else "none")


TOOLS: dict[str, tuple[Tool, str]] = {
    "pytest-runloop": (ours, "json"),
    "vcrpy, its default YAML": (plain_vcrpy, "yaml"),
    "cassetter": (peer_cassetter, "yaml"),
}


# ── many small calls ─────────────────────────────────────────────────────────────────────────────────────────────────


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # head and body in one packet

    def do_POST(self) -> None:
        command = json.loads(self.rfile.read(int(self.headers["content-length"])))["command"]
        body = json.dumps({"execution_id": self.path, "status": "completed", "stdout": command + "x" * 600})
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None: ...


@contextmanager
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as answers:
        Thread(target=answers.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{answers.server_port}"
        answers.shutdown()


def ask(base_url: str, count: int) -> float:
    with httpx.Client(base_url=base_url) as client:
        return calls(client, count)


def calls(client: httpx.Client, count: int) -> float:
    started = time.perf_counter()
    for number in range(count):
        client.post(f"/v1/devboxes/dbx_{number}/execute_async", json={"command": f"echo {number}"}).raise_for_status()
    return time.perf_counter() - started


def replay_calls(tool: Tool, path: Path, base_url: str, count: int) -> tuple[float, float]:
    """Return seconds for all of it, and for the calls alone."""
    started = time.perf_counter()
    with tool(path, base_url, False):
        alone = ask(base_url, count)
    return time.perf_counter() - started, alone


def answered(request: httpx.Request) -> httpx.Response:
    command = json.loads(request.content)["command"]
    return httpx.Response(
        200, json={"execution_id": request.url.path, "status": "completed", "stdout": command + "x" * 600}
    )


def floor(rounds: int) -> None:
    """Print what httpx itself takes for 500 calls: no tool that replays them can be faster."""
    with httpx.Client(base_url="http://127.0.0.1", transport=httpx.MockTransport(answered)) as client:
        took = statistics.median(calls(client, 500) for _ in range(rounds))
    print(f"floor: 500 calls of httpx to a mock transport: {took * 1000:.0f} ms, {took * 2:.2f} each")


def small_calls(directory: Path, rounds: int) -> None:
    sizes = (100, 500, 5000)
    print(f"\n{'replayed calls of 0.7 kB':<28}" + "".join(f"{f'{size} calls':>22}" for size in sizes))
    with server() as base_url:
        for name, (tool, suffix) in TOOLS.items():
            cells = []
            for size in sizes:
                path = directory / f"{name.split(',')[0]}-{size}.{suffix}"
                if tool is not ours and size == sizes[-1]:
                    # vcrpy needs minutes, and cassetter refuses to read so many.
                    cells.append("–")
                    continue
                with tool(path, base_url, True):
                    ask(base_url, size)
                totals, calls = zip(*(replay_calls(tool, path, base_url, size) for _ in range(rounds)), strict=True)
                total, call = statistics.median(totals), statistics.median(calls)
                cells.append(f"{total * 1000:.0f} ms, {call / size * 1000:.2f} each")
            print(f"{name:<28}" + "".join(f"{cell:>22}" for cell in cells))
    path = directory / "pytest-runloop-500.json"
    loads = [timed(lambda: document.read(path)) for _ in range(rounds)]
    print(f"load of our 500 calls alone: {statistics.median(loads) * 1000:.1f} ms")
    floor(rounds)


def timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


# ── a session of the Agents SDK ──────────────────────────────────────────────────────────────────────────────────────


async def session(base_url: str, api_key: str) -> None:
    from agents.extensions.sandbox.runloop import RunloopSandboxClient, RunloopSandboxClientOptions
    from agents.sandbox import Manifest
    from agents.sandbox.entries import BaseEntry, File

    entries: dict[str | Path, BaseEntry] = {
        f"file{number}.txt": File(content=f"{number}\n".encode()) for number in range(FILES)
    }
    client = RunloopSandboxClient(bearer_token=api_key, base_url=base_url)
    made = await client.create(
        manifest=Manifest(root="/home/user", entries=entries), options=RunloopSandboxClientOptions()
    )
    await made.start()
    assert (await made.exec("cat", "file7.txt")).stdout == b"7\n"
    await client.delete(made)
    await client.close()


def sessions(directory: Path, running: Running, rounds: int) -> None:
    def live() -> None:
        asyncio.run(session(running.base_url, running.api_key))

    live()
    print(f"\na session with a manifest of {FILES} files, on a new event loop")
    print(f"{'on the emulator itself':<28}{statistics.median(timed(live) for _ in range(rounds)) * 1000:>10.0f} ms")
    tools = {"pytest-runloop": (ours, "json"), "vcrpy, matching by meaning": (vcrpy_by_meaning, "yaml")}
    took = {}
    for name, (tool, suffix) in tools.items():
        path = directory / f"session.{suffix}"
        with tool(path, running.base_url, True):
            live()

        def replayed(tool: Tool = tool, path: Path = path) -> None:
            with tool(path, running.base_url, False):
                live()

        replayed()
        took[name] = statistics.median(timed(replayed) for _ in range(rounds))
        print(f"{name:<28}{took[name] * 1000:>10.0f} ms")
    print(f"ratio: {took['vcrpy, matching by meaning'] / took['pytest-runloop']:.0f}×")


# ── whole runs of pytest ─────────────────────────────────────────────────────────────────────────────────────────────

OURS = "pytest_runloop.plugin"
MARKED = f"""
import pytest

@pytest.mark.runloop(files={{"file.txt": "content"}})
@pytest.mark.parametrize("number", range({TESTS}))
def test_it(runloop_sandbox, number):
    assert runloop_sandbox.exec(f"echo {{number}}").stdout == f"{{number}}\\n"
    assert runloop_sandbox.read_text("file.txt") == "content"
"""
PLAIN = """
import pytest

@pytest.mark.parametrize("number", range({count}))
def test_it(number): ...
"""
RECORDING = """
import httpx, os, pytest, time

@pytest.mark.vcr
def test_it():
    started = time.perf_counter()
    with httpx.Client(base_url=os.environ["ADDRESS"]) as client:
        for number in range(500):
            client.post(f"/v1/devboxes/dbx_{number}/execute_async", json={"command": f"echo {number}"})
    with open("took", "w") as file:
        file.write(str(time.perf_counter() - started))
"""


def pytest_run(directory: Path, plugin: str, *arguments: str, **environment: str) -> float:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    # By name, because pytest-recording and cassetter can't be loaded together.
    command += ["-p", plugin] if plugin else []
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment}
    started = time.perf_counter()
    done = subprocess.run(command, cwd=directory, env=env, capture_output=True, text=True, check=False)
    took = time.perf_counter() - started
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return took


def project(directory: Path, test: str) -> Path:
    directory.mkdir()
    (directory / "pytest.ini").write_text("[pytest]\n")
    (directory / "test_it.py").write_text(test)
    return directory


def runs(directory: Path, rounds: int) -> None:
    marked = project(directory / "marked", MARKED)
    state = str(directory / "state")
    pytest_run(marked, OURS, "--runloop-record=all", PYTEST_RUNLOOP_STATE=state)
    emulator = [
        pytest_run(marked, OURS, "--runloop-target=emulator", PYTEST_RUNLOOP_STATE=state) for _ in range(rounds)
    ]
    replay = [pytest_run(marked, OURS, "--runloop-target=replay") for _ in range(rounds)]
    print(f"\n{TESTS} tests with a sandbox each, a whole run of pytest")
    print(f"{'emulator':<28}{statistics.median(emulator):>10.1f} s")
    print(f"{'replay':<28}{statistics.median(replay):>10.1f} s")

    recording = project(directory / "recording", RECORDING)
    with server() as base_url:
        pytest_run(recording, "recording", "--record-mode=once", ADDRESS=base_url)
        pytest_run(recording, "recording", "--record-mode=none", ADDRESS=base_url)
        print(f"pytest-recording, 500 calls in one test: {float((recording / 'took').read_text()):.2f} s")

    few, many = (project(directory / f"plain-{count}", PLAIN.format(count=count)) for count in UNMARKED)

    def each(plugin: str, *arguments: str) -> float:
        """Return milliseconds of a test, without the start of its run."""
        took = pytest_run(many, plugin, *arguments) - pytest_run(few, plugin, *arguments)
        return took / (UNMARKED[1] - UNMARKED[0]) * 1000

    rows = [(each(""), each(OURS), each(OURS, "--runloop-target=replay")) for _ in range(rounds)]
    none, usual, replaying = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"an unmarked test: {none:.3f} ms; tax {usual - none:.4f} ms, in a replay {replaying - none:.4f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        small_calls(directory, rounds)
        running = launch(directory / "state", directory / "run", owner_pid=os.getpid())
        try:
            sessions(directory, running, rounds)
        finally:
            stop(running)
        runs(directory, rounds)


if __name__ == "__main__":
    main()
