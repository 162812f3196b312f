"""Devboxes: create, find, change, suspend, resume, end."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.launch import Launch, inherit, parse_launch
from pytest_runloop.emulator.domain.lifecycle import Event, Status
from pytest_runloop.emulator.domain.problems import bad_request, conflict, timed_out, unsupported
from pytest_runloop.emulator.domain.records import Devbox, SnapshotStatus, Transition
from pytest_runloop.emulator.service.idempotency import OnceOnly
from pytest_runloop.emulator.service.identity import fresh_id, now_ms
from pytest_runloop.emulator.service.paging import Cursor, Page, paginate
from pytest_runloop.emulator.service.tunnels import new_tunnel

if TYPE_CHECKING:
    from pytest_runloop.emulator.domain.creation import CreateRequest
    from pytest_runloop.emulator.domain.records import Snapshot
    from pytest_runloop.emulator.machine.machines import Machines
    from pytest_runloop.emulator.service.blueprints import Blueprints
    from pytest_runloop.emulator.service.boot import Boot
    from pytest_runloop.emulator.service.mounts import Mounts
    from pytest_runloop.emulator.service.network import Network
    from pytest_runloop.emulator.service.roster import Roster, Runtime
    from pytest_runloop.emulator.service.secrets import Secrets
    from pytest_runloop.emulator.service.trouble import Troubles

CREATE_HOLD_S = 20.0
"""How long a create that awaits the running devbox is held: well inside the client's 30 s read timeout."""
MAX_WAIT_S = 30.0
RESUME_SHOWN_S = 1.0
"""How long after a resume a devbox not yet running is still shown as suspended."""
_LOOK_AGAIN_S = 0.1
"""How often a waiting request looks at a devbox that another emulator may be changing."""
_ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
_BOOTED = (Status.RUNNING, Status.FAILURE, Status.SHUTDOWN)


class Devboxes:
    """The devboxes of the state directory, as one emulator serves them."""

    def __init__(
        self,
        roster: Roster,
        machines: Machines,
        boot: Boot,
        secrets: Secrets,
        blueprints: Blueprints,
        *,
        mounts: Callable[[], Mounts],
        network: Callable[[], Network],
        troubles: Callable[[], Troubles | None],
    ) -> None:
        self._troubles = troubles
        self._network = network
        self._mounts = mounts
        self._roster = roster
        self._machines = machines
        self._boot = boot
        self._secrets = secrets
        self._blueprints = blueprints
        self._once = OnceOnly()

    async def create(self, request: CreateRequest, *, request_id: str) -> Devbox:
        """Begin a devbox and give its record at once.

        Raises:
            ApiProblem: 400, if the request names a secret, blueprint or snapshot that isn't there.
        """
        return self.get(await self._once.make(("create", request_id), lambda: self._begin(request)))

    async def create_and_await(self, request: CreateRequest, *, request_id: str) -> Devbox:
        """Begin a devbox and give its record once it runs or has ended, or as it is when the hold is over.

        Raises:
            ApiProblem: As ``create``.
        """
        devbox = await self.create(request, request_id=request_id)
        await self._reaches(devbox.id, _BOOTED, timeout_s=CREATE_HOLD_S)
        return self.get(devbox.id)

    def get(self, devbox_id: str) -> Devbox:
        """Find a devbox, ended ones included.

        Raises:
            ApiProblem: 404.
        """
        return self._roster.record(devbox_id)

    def page(self, cursor: Cursor, *, status: Status | None, name: str | None) -> Page[Devbox]:
        """List devboxes, newest first.

        Args:
            cursor: Which page.
            status: Only those with this status.
            name: Only those with this text in their name or id.
        """
        everything = (self._roster.as_shown(devbox) for devbox in self._roster.store.devboxes())
        wanted = (
            devbox
            for devbox in everything
            if status in {None, devbox.status} and (not name or name in devbox.id or name in (devbox.name or ""))
        )
        return paginate(wanted, cursor)

    def update(self, devbox_id: str, *, name: str | None, metadata: Mapping[str, str] | None) -> Devbox:
        """Rename a devbox or replace its metadata; None leaves, empty clears.

        Raises:
            ApiProblem: 404.
        """

        def change(devbox: Devbox) -> Devbox:
            renamed = devbox if name is None else replace(devbox, name=name or None)
            return renamed if metadata is None else replace(renamed, metadata=metadata)

        return self._roster.change(devbox_id, change)

    async def wait_for(self, devbox_id: str, statuses: Collection[Status], *, timeout_s: float) -> Devbox:
        """Wait until a devbox has one of these statuses.

        Raises:
            ApiProblem: 404, or 408 when the time is up.
        """
        if not await self._reaches(devbox_id, statuses, timeout_s=min(timeout_s, MAX_WAIT_S)):
            wanted = " or ".join(status.value for status in statuses)
            raise timed_out(
                f"Devbox {devbox_id} is '{self.get(devbox_id).status.value}' and not yet {wanted}; ask again."
            )
        return self.get(devbox_id)

    def keep_alive(self, devbox_id: str) -> None:
        """Start a devbox's idle time anew; harmless if it isn't running.

        Raises:
            ApiProblem: 404.
        """
        self.get(devbox_id)
        runtime = self._roster.held(devbox_id)
        if runtime is not None:
            runtime.touch()

    def suspend(self, devbox_id: str) -> Devbox:
        """Begin to suspend a devbox.

        Raises:
            ApiProblem: 404, or 400 if it isn't running.
        """
        runtime = self._held_or_refuse(devbox_id, Event.SUSPEND)
        record = self._roster.move(runtime, Event.SUSPEND)
        self._roster.spawn(self._boot.suspend(runtime))
        return record

    def resume(self, devbox_id: str) -> Devbox:
        """Begin to resume a devbox. Asking again while it is still shown as suspended does nothing.

        Raises:
            ApiProblem: 404, or 400 if it isn't suspended.
        """
        suspended = self.get(devbox_id)
        if self._roster.held(devbox_id) is not None and suspended.status is Status.SUSPENDED:
            return suspended
        resuming = suspended.after(Event.RESUME, now_ms=now_ms())
        self._admit()
        runtime = self._roster.adopt(resuming, expected=Status.SUSPENDED)
        if runtime is None:
            raise bad_request(f"Devbox {devbox_id} is being resumed by another emulator; ask that one.")
        self._show_for_a_moment(runtime, suspended)
        runtime.settled.clear()
        self._roster.spawn(self._boot.power_on(runtime))
        return self.get(devbox_id)

    def shut_down(self, devbox_id: str, *, force: bool) -> Devbox:
        """End a devbox for good. Its machine and disk go in the background.

        Raises:
            ApiProblem: 404, 400 if another emulator runs it, 409 during a snapshot unless forced.
        """
        record = self.get(devbox_id)
        runtime = self._roster.held(devbox_id)
        if record.status.is_over:
            return record
        if runtime is None:
            return self._shut_down_suspended(record)
        if runtime.snapshotting and not force:
            raise conflict(f"Devbox {devbox_id} has a snapshot in progress; wait for it, or shut down with force=true.")
        self._boot.shut_down(runtime, "api_shutdown")
        return runtime.record

    def _admit(self) -> None:
        if (troubles := self._troubles()) is not None:
            troubles.admit()

    async def _begin(self, request: CreateRequest) -> str:
        self._admit()
        blueprint = self._blueprints.find(given_id=request.blueprint_id, name=request.blueprint_name)
        snapshot = self._snapshot(request.snapshot_id)
        launch = request.launch
        if blueprint is not None:
            launch = parse_launch(inherit(blueprint.launch_parameters, launch.given))
        _check_architecture(launch)
        if request.mounts:
            self._mounts().check(request.mounts)
        network = self._network()
        grants = network.grants(request, launch)
        image = {} if (source := blueprint or snapshot) is None else source.environment
        now = now_ms()
        devbox = Devbox(
            id=fresh_id("dbx"),
            status=Status.PROVISIONING,
            create_time_ms=now,
            transitions=(Transition(status=Status.PROVISIONING, time_ms=now),),
            name=request.name,
            launch_parameters=launch.parameters,
            metadata=request.metadata,
            environment={
                **image,
                **request.environment,
                **self._secrets.resolve(request.secrets),
                **network.environment(grants),
            },
            grants=grants,
            image_environment=image,
            capabilities=() if snapshot is None else snapshot.capabilities,
            file_mounts=request.file_mounts,
            mounts=request.mounts,
            entrypoint=request.entrypoint,
            blueprint_id=None if blueprint is None else blueprint.id,
            snapshot_id=request.snapshot_id,
            scenario_run_id=request.scenario_run_id,
            tunnel=None if request.tunnel is None else new_tunnel(request.tunnel),
        )
        # The record comes before the disk: a disk without a record is swept away by the next emulator.
        self._roster.spawn(self._boot.power_on(self._roster.add(devbox)))
        return devbox.id

    def _snapshot(self, snapshot_id: str | None) -> Snapshot | None:
        if snapshot_id is None:
            return None
        snapshot = self._roster.store.snapshot(snapshot_id)
        if snapshot is None or snapshot.status is not SnapshotStatus.COMPLETE:
            state = "does not exist" if snapshot is None else f"is '{snapshot.status.value}', not 'complete'"
            raise bad_request(f"snapshot_id: snapshot {snapshot_id!r} {state}.")
        return snapshot

    async def _reaches(self, devbox_id: str, statuses: Collection[Status], *, timeout_s: float) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while self.get(devbox_id).status not in statuses:
            remaining = deadline - loop.time()
            if remaining <= 0:
                return False
            await self._roster.changes.wait(devbox_id, timeout_s=min(remaining, _LOOK_AGAIN_S))
        return True

    def _held_or_refuse(self, devbox_id: str, event: Event) -> Runtime:
        runtime = self._roster.held(devbox_id)
        if runtime is not None:
            return runtime
        self.get(devbox_id).after(event, now_ms=now_ms())
        raise bad_request(f"Devbox {devbox_id} runs in another emulator on the same state directory; ask that one.")

    def _show_for_a_moment(self, runtime: Runtime, suspended: Devbox) -> None:
        # A client that looks right after its resume must not see `resuming`, one that finds a devbox mid-resume must
        # not see `provisioning`: the old status satisfies both, and is soon replaced by `running`.
        def show() -> None:
            runtime.shown = None
            self._roster.changes.notify(suspended.id)

        runtime.shown = suspended
        asyncio.get_running_loop().call_later(RESUME_SHOWN_S, show)

    def _shut_down_suspended(self, record: Devbox) -> Devbox:
        if record.status is not Status.SUSPENDED:
            raise bad_request(f"Devbox {record.id} runs in another emulator on the same state directory; ask that one.")
        over = record.after(Event.SHUT_DOWN, now_ms=now_ms(), shutdown_reason="api_shutdown")
        if self._roster.adopt(over, expected=Status.SUSPENDED) is None:
            raise bad_request(f"Devbox {record.id} is being resumed by another emulator; ask that one.")
        self._roster.spawn(self._machines.disks.remove(record.id))
        return over


def _check_architecture(launch: Launch) -> None:
    here = _ARCHITECTURES.get(platform.machine().lower(), platform.machine())
    wanted = launch.parameters.get("architecture") or here
    if wanted != here:
        raise unsupported(f"launch_parameters.architecture: this computer is {here} and can't run {wanted}.")
