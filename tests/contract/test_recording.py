"""The Agents SDK's own client, recorded against the emulator and replayed with nobody at the other end."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from agents.extensions.sandbox.runloop import RunloopSandboxClient, RunloopSandboxClientOptions
from agents.sandbox import Manifest
from agents.sandbox.entries import Dir, File
from agents.sandbox.errors import ExecTimeoutError

from pytest_runloop.cassettes.playing.meaning import Rules
from pytest_runloop.cassettes.playing.replay import Unrecorded
from pytest_runloop.cassettes.secrets.scrubbing import Scrubber
from pytest_runloop.cassettes.traffic.jobs import Job, Mode
from pytest_runloop.cassettes.traffic.studio import Studio
from tests.contract.conftest import Service

NOWHERE = "http://127.0.0.1:9"
ROOT = "/home/user"
Scenario = Callable[[RunloopSandboxClient], Awaitable[Any]]


class Booth:
    """One cassette, recorded and replayed."""

    def __init__(self, service: Service, directory: Path) -> None:
        self.service = service
        self.path = directory / "cassettes" / "test.json"

    def record(self, scenario: Scenario) -> Any:  # noqa: ANN401 - whatever it returns
        result, job, problems = self.run(scenario, Mode.RECORD)
        assert (job.misses, problems) == ([], [])
        return result

    def replay(self, scenario: Scenario) -> tuple[Any, Job, list[str]]:
        return self.run(scenario, Mode.REPLAY)

    def run(self, scenario: Scenario, mode: Mode) -> tuple[Any, Job, list[str]]:
        base_url = NOWHERE if mode is Mode.REPLAY else self.service.base_url
        studio = Studio(base_url=base_url, replay=mode is Mode.REPLAY, scrubber=Scrubber({}), rules=Rules(()))
        job = Job(path=self.path, what="test", name="tests/test_a.py::test_b", mode=mode, command="pytest …")
        studio.install()
        try:
            studio.start(job)
            result: Any = asyncio.run(self._go(scenario, base_url))
            return result, job, studio.finish(job, keep=True)
        finally:
            studio.close()

    async def _go(self, scenario: Scenario, base_url: str) -> Any:  # noqa: ANN401 - whatever it returns
        client = RunloopSandboxClient(bearer_token=self.service.api_key, base_url=base_url)
        try:
            return await scenario(client)
        except Unrecorded as miss:
            return miss
        finally:
            await client.close()


@pytest.fixture
def booth(service: Service, tmp_path: Path) -> Booth:
    return Booth(service, tmp_path)


def manifest() -> Manifest:
    return Manifest(
        root=ROOT,
        entries={
            "a.txt": File(content=b"one"),
            "b.txt": File(content=b"two"),
            "sub": Dir(children={"c.txt": File(content=b"three")}),
        },
    )


async def work(client: RunloopSandboxClient) -> list[object]:
    options = RunloopSandboxClientOptions(pause_on_exit=True)
    session = await client.create(options=options, manifest=manifest())
    await session.start()
    said = await session.exec("cat a.txt b.txt sub/c.txt; pwd")
    await session.write(Path("d.bin"), io.BytesIO(bytes(range(256)) * 40))
    read = (await session.read(Path("d.bin"))).read()
    await session.stop()
    await session.shutdown()
    again = await client.resume(session.state)
    await again.start()
    more = await again.exec("cat a.txt; echo $((6 * 7))")
    again.state.pause_on_exit = False  # type: ignore[attr-defined] # the Runloop state's own
    await again.shutdown()
    return [said.stdout, said.exit_code, read, more.stdout]


def test_a_session_replays_with_nobody_there(booth: Booth) -> None:
    recorded = booth.record(work)
    assert recorded[0].startswith(b"onetwothree")
    assert recorded[2] == bytes(range(256)) * 40

    for _ in range(2):
        began = time.perf_counter()
        replayed, job, problems = booth.replay(work)
        took = time.perf_counter() - began

        assert replayed == recorded
        assert (job.misses, problems) == ([], [])
        assert took < 2


async def steady(client: RunloopSandboxClient) -> None:
    # Commands like these are over with the first answer, or with the second if the machine is busy.
    session = await client.create(options=RunloopSandboxClientOptions(pause_on_exit=True), manifest=manifest())
    await session.start()
    await asyncio.gather(*(session.exec(f"sleep 0.{number}; echo {number}") for number in range(4)))
    await session.stop()
    await session.shutdown()
    again = await client.resume(session.state)
    await again.exec("true")
    again.state.pause_on_exit = False  # type: ignore[attr-defined] # the Runloop state's own
    await again.shutdown()


def test_recording_the_same_again_changes_nothing(booth: Booth) -> None:
    booth.record(steady)
    before = booth.path.read_bytes(), sorted(path.name for path in booth.path.parent.rglob("*"))

    booth.record(steady)
    now = booth.path.read_bytes(), sorted(path.name for path in booth.path.parent.rglob("*"))

    assert now == before


def test_the_same_compares_as_equal_and_another_command_does_not(booth: Booth) -> None:
    booth.record(steady)

    _, _, problems = booth.run(steady, Mode.VERIFY)
    assert problems == []

    async def other(client: RunloopSandboxClient) -> None:
        session = await client.create(options=RunloopSandboxClientOptions(), manifest=None)
        await session.exec("echo other")
        await session.shutdown()

    _, _, problems = booth.run(other, Mode.VERIFY)
    assert any("other" in problem for problem in problems)


async def slow(client: RunloopSandboxClient) -> str:
    session = await client.create(options=RunloopSandboxClientOptions(), manifest=None)
    try:
        with pytest.raises(ExecTimeoutError):
            await session.exec("sleep 20", timeout=2)
        return (await session.exec("echo alive")).stdout.decode()
    finally:
        await session.shutdown()


def test_a_timeout_is_not_waited_for(booth: Booth) -> None:
    assert booth.record(slow) == "alive\n"

    began = time.perf_counter()
    replayed, job, problems = booth.replay(slow)

    assert replayed == "alive\n"
    assert (job.misses, problems) == ([], [])
    assert time.perf_counter() - began < 1


async def cancelled(client: RunloopSandboxClient) -> str:
    session = await client.create(options=RunloopSandboxClientOptions(), manifest=None)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(session.exec("sleep 20"), 0.3)
    said = (await session.exec("echo alive")).stdout.decode()
    await session.shutdown()
    return said


def test_a_timeout_of_the_user_s_own_comes_in_a_replay_too(booth: Booth) -> None:
    assert booth.record(cancelled) == "alive\n"

    replayed, job, problems = booth.replay(cancelled)

    assert replayed == "alive\n"
    assert (job.misses, problems) == ([], [])


def test_two_sandboxes_at_once_stay_apart(booth: Booth) -> None:
    async def one(client: RunloopSandboxClient, name: str) -> bytes:
        options = RunloopSandboxClientOptions(name=name)
        session = await client.create(
            options=options, manifest=Manifest(root=ROOT, entries={"who": File(content=name.encode())})
        )
        await session.start()
        said = (await session.exec("cat who")).stdout
        await session.shutdown()
        return said

    async def both(client: RunloopSandboxClient) -> list[bytes]:
        return list(await asyncio.gather(one(client, "left"), one(client, "right")))

    recorded = booth.record(both)
    assert recorded == [b"left", b"right"]
    replayed, job, problems = booth.replay(both)
    assert (replayed, job.misses, problems) == (recorded, [], [])


# ── what is not recorded ─────────────────────────────────────────────────────────────────────────────────────────────


async def nothing(client: RunloopSandboxClient) -> None:
    session = await client.create(options=RunloopSandboxClientOptions(), manifest=None)
    await session.shutdown()


async def exec_(session: Any) -> None:  # noqa: ANN401 - the SDK's
    await session.exec("echo changed")


async def read(session: Any) -> None:  # noqa: ANN401 - the SDK's
    await session.read(Path("nothing"))


async def write(session: Any) -> None:  # noqa: ANN401 - the SDK's
    await session.write(Path("nothing"), io.BytesIO(b"x"))


async def persist(session: Any) -> None:  # noqa: ANN401 - the SDK's
    await session.persist_workspace()


async def start(session: Any) -> None:  # noqa: ANN401 - the SDK's
    await session.start()


@pytest.mark.parametrize("call", [exec_, read, write, persist, start])
def test_a_call_that_is_not_recorded_fails_at_once(booth: Booth, call: Callable[[Any], Awaitable[None]]) -> None:
    booth.record(nothing)
    took = []

    async def more(client: RunloopSandboxClient) -> None:
        session = await client.create(options=RunloopSandboxClientOptions(), manifest=None)
        began = time.perf_counter()
        try:
            await call(session)
        finally:
            took.append(time.perf_counter() - began)

    result, job, _ = booth.replay(more)

    assert isinstance(result, Unrecorded)
    assert [miss.message for miss in job.misses] == [result.message]
    assert took[0] < 5  # the SDK tries for half a minute


def test_a_creation_that_is_not_recorded_fails_at_once(booth: Booth) -> None:
    booth.record(nothing)

    async def other(client: RunloopSandboxClient) -> None:
        await client.create(options=RunloopSandboxClientOptions(name="other"), manifest=None)

    result, job, _ = booth.replay(other)
    assert isinstance(result, Unrecorded)
    assert job.misses == [result]


def test_a_shutdown_that_is_not_recorded_is_no_secret(booth: Booth) -> None:
    async def left(client: RunloopSandboxClient) -> str:
        session = await client.create(options=RunloopSandboxClientOptions(), manifest=None)
        return str(session.state.devbox_id)  # type: ignore[attr-defined] # the Runloop state's own

    booth.record(left)
    result, job, _ = booth.replay(nothing)
    assert isinstance(result, Unrecorded)
    assert job.misses == [result]


def test_a_resume_that_is_not_recorded_makes_no_new_devbox(booth: Booth) -> None:
    async def once(client: RunloopSandboxClient) -> None:
        session = await client.create(options=RunloopSandboxClientOptions(pause_on_exit=True), manifest=None)
        await session.shutdown()

    async def twice(client: RunloopSandboxClient) -> None:
        session = await client.create(options=RunloopSandboxClientOptions(pause_on_exit=True), manifest=None)
        await session.shutdown()
        await client.resume(session.state)

    booth.record(once)
    result, job, _ = booth.replay(twice)
    assert isinstance(result, Unrecorded)
    assert [miss.message for miss in job.misses] == [result.message]


def test_what_the_sdk_swallows_is_held_and_everything_after_it_fails(booth: Booth) -> None:
    async def one(client: RunloopSandboxClient) -> None:
        session = await client.create(options=RunloopSandboxClientOptions(), manifest=None)
        await session.exec("echo recorded")
        await session.shutdown()

    booth.record(one)
    text = booth.path.read_text()
    assert '"completed"' in text
    # The wait is gathered with return_exceptions=True, which makes a value of what is raised.
    booth.path.write_text(text.replace('"completed"', '"running"'))

    async def then(client: RunloopSandboxClient) -> None:
        session = await client.create(options=RunloopSandboxClientOptions(), manifest=None)
        began = time.perf_counter()
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the SDK makes of it
            await session.exec("echo recorded")
        assert time.perf_counter() - began < 5  # as above
        await session.exec("echo recorded")

    result, job, _ = booth.replay(then)
    assert isinstance(result, Unrecorded)
    assert len(job.misses) == 1
