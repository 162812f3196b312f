"""Honest stand-ins for the boundaries of the plugin; mypy proves that they still fit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from pytest_runloop.sandbox.boundary import (
    ApiFailure,
    DevboxApi,
    DevboxStatus,
    Execution,
    Provider,
    Request,
    Started,
    Stream,
)

if TYPE_CHECKING:
    from pytest_runloop.sandbox.runloop.sessions import NativeSandbox


@dataclass
class Script:
    """What commands do on a fake devbox.

    Attributes:
        exit_code: Of every command; None for one that was lost.
        stdout: Of every command, in full.
        lasts: Whether commands run until they are killed.
        immortal: Whether a kill does not end them.
        wait_failures: Raised by the next waits, first one first.
    """

    exit_code: int | None = 0
    stdout: str = ""
    lasts: bool = False
    immortal: bool = False
    wait_failures: list[ApiFailure] = field(default_factory=list)


class FakeDevbox:
    """Implement ``DevboxApi`` in memory."""

    def __init__(self, devbox_id: str, labels: Mapping[str, str], script: Script) -> None:
        self.devbox_id = devbox_id
        self.billed = True
        self.labels = labels
        self.script = script
        self.state = "running"
        self.commands: list[str] = []
        self.files: dict[str, bytes] = {}
        self.killed: list[str] = []
        self.shutdown_refusal: ApiFailure | None = None
        self.status_failure: ApiFailure | None = None
        self.upload_failure: ApiFailure | None = None
        self._ended = asyncio.Event()

    async def start(self, command: str) -> Execution:
        self.commands.append(command)
        return self._execution(completed=not self.script.lasts)

    async def wait(self, execution_id: str, *, seconds: float) -> Execution | None:
        if self.script.wait_failures:
            raise self.script.wait_failures.pop(0)
        try:
            await asyncio.wait_for(self._ended.wait(), seconds)
        except asyncio.TimeoutError:
            return None
        return self._execution(completed=True)

    async def kill(self, execution_id: str) -> None:
        self.killed.append(execution_id)
        if not self.script.immortal:
            self._ended.set()

    async def output(self, execution_id: str, stream: Stream) -> str:
        return self.script.stdout if stream == "stdout" else ""

    async def upload(self, path: str, data: bytes) -> None:
        if self.upload_failure is not None:
            raise self.upload_failure
        self.files[path] = data

    async def download(self, path: str) -> bytes:
        if path not in self.files:
            message = "HTTP 404: no such file"
            raise ApiFailure(message, status=404)
        return self.files[path]

    async def status(self) -> DevboxStatus:
        if self.status_failure is not None:
            raise self.status_failure
        return DevboxStatus(self.state)

    async def await_status(self, *statuses: str, seconds: float) -> DevboxStatus:
        return await self.status()

    async def shutdown(self) -> None:
        if self.shutdown_refusal is not None:
            raise self.shutdown_refusal
        self.state = "shutdown"

    async def port_url(self, port: int) -> str:
        return f"http://127.0.0.1:1/{port}/"

    def _execution(self, *, completed: bool) -> Execution:
        lines = self.script.stdout.splitlines(keepends=True)
        cut: Iterable[Stream] = ("stdout",) if len(lines) > 100 else ()
        return Execution(
            id="exec_1",
            completed=completed,
            exit_code=self.script.exit_code if completed else None,
            stdout="".join(lines[-100:]),
            stderr="",
            truncated=frozenset(cut),
        )


class FakeNative:
    """Stand for what the SDKs offer; only its end matters here."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


class FakeProvider:
    """Implement ``Provider`` in memory.

    Attributes:
        devboxes: All that were ever created, oldest first.
        script: What commands do on new devboxes.
        create_failure: Raised by ``create`` after the devbox came into being, as a time-out would.
        lost: Whether the devbox of a failed creation exists.
        create_seconds: How long ``create`` takes.
        creating: Set once ``create`` was called.
        slept: Set once that time is over, or was cut short.
        prepare: Called with each new devbox.
    """

    def __init__(self) -> None:
        self.billed = True
        self.devboxes: list[FakeDevbox] = []
        self.script = Script()
        self.create_failure: ApiFailure | None = None
        self.materialise_failure: ApiFailure | None = None
        self.find_failure: ApiFailure | None = None
        self.create_seconds = 0.0
        self.prepare: Callable[[FakeDevbox], object] = lambda _: None
        self.creating = threading.Event()
        self.slept = threading.Event()
        self.closed = False

    async def create(self, request: Request, *, labels: Mapping[str, str]) -> Started:
        self.creating.set()
        try:
            await asyncio.sleep(self.create_seconds)
        finally:
            self.slept.set()
        devbox = FakeDevbox(f"dbx_{len(self.devboxes) + 1}", labels, self.script)
        self.devboxes.append(devbox)
        self.prepare(devbox)
        if self.create_failure is not None:
            raise self.create_failure
        return Started(api=devbox, env={}, native=cast("NativeSandbox", FakeNative()))

    async def materialise(self, started: Started, request: Request) -> None:
        if self.materialise_failure is not None:
            raise self.materialise_failure

    async def release(self, started: Started) -> None:
        # As the SDK does: whatever goes wrong is not told. A refused devbox stays as it is.
        devbox = cast("FakeDevbox", started.api)
        if devbox.shutdown_refusal is None:
            devbox.state = "shutdown"

    async def find(self, *, label: str, value: str) -> list[DevboxApi]:
        if self.find_failure is not None:
            raise self.find_failure
        return [devbox for devbox in self.devboxes if devbox.labels.get(label) == value and devbox.state != "shutdown"]

    async def close(self) -> None:
        self.closed = True

    def close_elsewhere(self) -> None:
        """There are no other loops here."""


def provider() -> Provider:
    """Return a fake under the type of its protocol: the proof that it fits."""
    return FakeProvider()
