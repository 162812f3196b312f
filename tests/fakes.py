"""Honest stand-ins for the boundaries of the plugin; mypy proves that they still fit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from pytest_runloop.blueprint import Blueprint
from pytest_runloop.sandbox.account import Build, DiskSnapshot, KnownDevbox
from pytest_runloop.sandbox.boundary import (
    ApiFailure,
    DevboxApi,
    DevboxStatus,
    Execution,
    Provider,
    Request,
    Started,
    StateUnusable,
    Stream,
)

if TYPE_CHECKING:
    from pytest_runloop.sandbox.runloop.sessions import NativeSandbox
    from pytest_runloop.target import Target


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
    """Implement ``DevboxApi`` in memory.

    Attributes:
        state: The status; suspending and resuming take no time.
        disk: What commands left on its disk, for tests that look where a disk came from.
        before_resume: Called when a resume was asked for, as another machine may do something just then.
    """

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
        self.suspend_refusal: ApiFailure | None = None
        self.resume_refusal: ApiFailure | None = None
        self.relabel_refusal: ApiFailure | None = None
        self.before_resume: Callable[[FakeDevbox], object] = lambda _: None
        self.disk: tuple[str, ...] = ()
        self.account: FakeAccount | None = None
        self._ended = asyncio.Event()

    async def start(self, command: str) -> Execution:
        self.commands.append(command)
        self.disk = (*self.disk, command)
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
        return DevboxStatus(self.state, labels=dict(self.labels))

    async def await_status(self, *statuses: str, seconds: float) -> DevboxStatus:
        return await self.status()

    async def suspend(self) -> None:
        self._require("running", self.suspend_refusal)
        self.state = "suspended"

    async def resume(self) -> None:
        self.before_resume(self)
        self._require("suspended", self.resume_refusal)
        self.state = "running"

    async def relabel(self, labels: Mapping[str, str]) -> DevboxStatus:
        if self.relabel_refusal is not None:
            raise self.relabel_refusal
        self.labels = dict(labels)
        return await self.status()

    async def snapshot(self, *, name: str, labels: Mapping[str, str]) -> str:
        self._require("running", None)
        assert self.account is not None
        return self.account.take(self, labels)

    async def shutdown(self) -> None:
        if self.shutdown_refusal is not None:
            raise self.shutdown_refusal
        self.state = "shutdown"

    async def port_url(self, port: int, *, on: Target | None = None) -> str:
        return f"http://127.0.0.1:1/{port}/"

    def _require(self, state: str, refusal: ApiFailure | None) -> None:
        if refusal is not None:
            raise refusal
        if self.state != state:
            message = f"HTTP 400: devbox is {self.state}, not {state}"
            raise ApiFailure(message, status=400)

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


@dataclass
class FakeDisk:
    """A disk snapshot: its record, its status, and what was on the disk."""

    record: DiskSnapshot
    content: tuple[str, ...]
    status: str = "complete"
    refusal: ApiFailure | None = None


class FakeAccount:
    """Implement ``Account`` in memory.

    Attributes:
        disks: All snapshots that were ever taken, by id, deleted ones included.
        new_disk_status: Of snapshots taken from now on.
        failure: Raised by every look-up.
        blueprints: What was built, by id.
        build_statuses: What a new build goes through, one status a look.
    """

    def __init__(self, devboxes: list[FakeDevbox]) -> None:
        self.disks: dict[str, FakeDisk] = {}
        self.new_disk_status = "complete"
        self.failure: ApiFailure | None = None
        self.blueprints: dict[str, Build] = {}
        self.build_statuses = ["building", "build_complete"]
        self.log: list[str] = []
        self.taken: Callable[[FakeDisk], object] = lambda _: None
        self._devboxes = devboxes

    def take(self, devbox: FakeDevbox, labels: Mapping[str, str]) -> str:
        number = len(self.disks) + 1
        record = DiskSnapshot(id=f"snp_{number}", created_ms=number, labels=dict(labels))
        disk = self.disks[record.id] = FakeDisk(record, devbox.disk, self.new_disk_status)
        self.taken(disk)
        return record.id

    async def disk_snapshots(self, labels: Mapping[str, str]) -> list[DiskSnapshot]:
        self._answer()
        listed = [disk.record for disk in self.disks.values() if disk.status != "deleted"]
        return [record for record in reversed(listed) if labels.items() <= record.labels.items()]

    async def snapshot_status(self, snapshot_id: str) -> str:
        self._answer()
        disk = self.disks.get(snapshot_id)
        return "deleted" if disk is None else disk.status

    async def delete_snapshot(self, snapshot_id: str) -> None:
        disk = self.disks[snapshot_id]
        if disk.refusal is not None:
            raise disk.refusal
        disk.status = "deleted"

    def devbox(self, devbox_id: str) -> DevboxApi:
        unknown = FakeDevbox(devbox_id, {}, Script())
        unknown.status_failure = ApiFailure("HTTP 404: no such devbox", status=404)
        return next((devbox for devbox in self._devboxes if devbox.devbox_id == devbox_id), unknown)

    async def devboxes(self, *, status: str) -> list[KnownDevbox]:
        self._answer()
        return [
            KnownDevbox(id=one.devbox_id, status=one.state, created_ms=number, labels=dict(one.labels), api=one)
            for number, one in enumerate(self._devboxes)
            if one.state == status
        ]

    async def builds(self, name: str) -> list[Build]:
        self._answer()
        return [build for build in self.blueprints.values() if build.name == name]

    async def build(self, blueprint: Blueprint) -> Build:
        number = len(self.blueprints) + 1
        build = Build(id=f"bpt_{number}", name=blueprint.name, status="queued", created_ms=number)
        self.blueprints[build.id] = build
        return build

    async def build_status(self, blueprint_id: str) -> Build:
        status = self.build_statuses.pop(0)
        reason = "build_failed" if status == "failed" else None
        self.blueprints[blueprint_id] = replace(self.blueprints[blueprint_id], status=status, reason=reason)
        return self.blueprints[blueprint_id]

    async def build_log(self, blueprint_id: str) -> list[str]:
        return self.log

    async def blueprint_names(self) -> list[str]:
        self._answer()
        built = {build.name for build in self.blueprints.values() if build.status == "build_complete"}
        return sorted({"runloop/starter-x86_64", "runloop/universal-ubuntu-24.04-x86_64", *built})

    def _answer(self) -> None:
        if self.failure is not None:
            raise self.failure


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
        self.account = FakeAccount(self.devboxes)
        self.requests: list[Request] = []
        self.renewed: list[str] = []
        self.script = Script()
        self.create_failure: ApiFailure | None = None
        self.materialise_failure: ApiFailure | None = None
        self.find_failure: ApiFailure | None = None
        self.create_seconds = 0.0
        self.prepare: Callable[[FakeDevbox], object] = lambda _: None
        self.creating = threading.Event()
        self.slept = threading.Event()
        self.closed = False

    async def create(self, request: Request, *, labels: Mapping[str, str], snapshot_id: str | None = None) -> Started:
        self.creating.set()
        try:
            await asyncio.sleep(self.create_seconds)
        finally:
            self.slept.set()
        devbox = FakeDevbox(f"dbx_{len(self.devboxes) + 1}", labels, self.script)
        if snapshot_id is not None:
            disk = self.account.disks.get(snapshot_id)
            if disk is None or disk.status != "complete":
                message = f"HTTP 400: snapshot_id: {snapshot_id} is not there"
                raise ApiFailure(message, status=400)
            devbox.disk = disk.content
        devbox.account = self.account
        self.devboxes.append(devbox)
        self.requests.append(request)
        self.prepare(devbox)
        if self.create_failure is not None:
            raise self.create_failure
        return Started(api=devbox, env={}, native=cast("NativeSandbox", FakeNative()))

    async def attach(
        self, request: Request, *, labels: Mapping[str, str], devbox_id: str, state: str | None
    ) -> Started:
        if state is not None and state != f"state of {devbox_id}":
            message = "1 validation error"
            raise StateUnusable(message)
        self.requests.append(request)
        return Started(api=self.account.devbox(devbox_id), env={}, native=cast("NativeSandbox", FakeNative()))

    def serialise(self, started: Started) -> str:
        return f"state of {started.api.devbox_id}"

    async def renew(self, started: Started, request: Request) -> None:
        self.renewed.append(started.api.devbox_id)

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
