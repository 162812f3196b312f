"""Builds of blueprints that are under way in this emulator."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from pytest_runloop.emulator.domain.builds import Blueprint, BuildStatus
from pytest_runloop.emulator.domain.mounts import code_mount
from pytest_runloop.emulator.domain.steps import Step
from pytest_runloop.emulator.machine.account import PATH, Account
from pytest_runloop.emulator.service.build_log import BuildLog
from pytest_runloop.emulator.service.builder import ROOT_ACCOUNT, BuildFailed, Phase
from pytest_runloop.emulator.service.identity import fresh_id, now_ms
from pytest_runloop.emulator.service.layers import NoLayer

if TYPE_CHECKING:
    from pytest_runloop.emulator.domain.blueprints import BaseBlueprint
    from pytest_runloop.emulator.domain.buildplan import Plan
    from pytest_runloop.emulator.domain.builds import BuildLogEntry, BuildRequest
    from pytest_runloop.emulator.service.blueprint_store import BlueprintStore
    from pytest_runloop.emulator.service.builder import Builder

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Foundation:
    """What a disk begins with.

    Attributes:
        disk: The disk below it; None for the default image.
    """

    disk: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()


GetFoundation: TypeAlias = Callable[[str], Awaitable[Foundation]]
"""Gives what a disk made from a blueprint begins with."""


@dataclass(frozen=True, kw_only=True)
class _Job:
    request: BuildRequest
    secrets: Mapping[str, str]
    base: Blueprint | None
    foundation: GetFoundation
    log: BuildLog


class BlueprintBuilds:
    """Runs builds and keeps what they say."""

    def __init__(self, store: BlueprintStore, builder: Builder, bases: Mapping[str, BaseBlueprint]) -> None:
        self._store = store
        self._bases = bases
        self._builder = builder
        self._jobs: dict[str, _Job] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(
        self,
        request: BuildRequest,
        *,
        secrets: Mapping[str, str],
        base: Blueprint | None,
        foundation: GetFoundation,
    ) -> str:
        """Begin a build and give the new blueprint's id."""
        blueprint = Blueprint(
            id=fresh_id("bpt"),
            status=BuildStatus.QUEUED,
            create_time_ms=now_ms(),
            parameters=request.parameters,
            base_blueprint_id=None if base is None else base.id,
        )
        # The record comes before the disk, as for devboxes.
        self._store.save(blueprint)
        log = BuildLog(secrets=secrets.values())
        job = _Job(request=request, secrets=secrets, base=base, foundation=foundation, log=log)
        self._jobs[blueprint.id] = job
        self._tasks[blueprint.id] = asyncio.ensure_future(self._run(blueprint, job))
        return blueprint.id

    def log(self, blueprint_id: str) -> list[BuildLogEntry]:
        """Give a build's log: all of it while it runs here, else what the store remembers."""
        job = self._jobs.get(blueprint_id)
        return self._store.log(blueprint_id) if job is None else job.log.entries()

    async def wait(self, blueprint_id: str, *, timeout_s: float) -> None:
        """Wait for the end of a build, if it is under way here, but not for ever."""
        task = self._tasks.get(blueprint_id)
        if task is not None:
            await asyncio.wait([task], timeout=timeout_s)

    async def cancel(self, blueprint_id: str) -> None:
        """End a build that is under way here; nothing if none is."""
        task = self._tasks.get(blueprint_id)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            if blueprint_id in self._jobs:  # it had not even begun
                self._finish(blueprint_id, failure="build_failed")

    async def close(self) -> None:
        """End all builds."""
        for blueprint_id in tuple(self._tasks):
            await self.cancel(blueprint_id)

    async def _run(self, blueprint: Blueprint, job: _Job) -> None:
        failure: str | None = None
        try:
            await self._build(blueprint, job)
        except BuildFailed as error:
            failure = error.reason
        except asyncio.CancelledError:
            failure = "build_failed"
            job.log.say("The build was given up: the blueprint was deleted, or the emulator ended.", level="ERROR")
        # Whatever else went wrong must end the build: clients would ask for it for minutes.
        except Exception as error:  # noqa: BLE001
            _log.error("blueprint %s could not be built", blueprint.id, exc_info=error)
            failure = "build_failed"
            job.log.say(f"The build could not go on: {error}", level="ERROR")
        self._finish(blueprint.id, failure=failure)

    def _finish(self, blueprint_id: str, *, failure: str | None) -> None:
        blueprint = self._store.get(blueprint_id)
        assert blueprint is not None  # noqa: S101 - only what is over is ever forgotten
        self._store.save_log(blueprint_id, self._jobs.pop(blueprint_id).log.entries())
        self._store.save(blueprint.finished(now_ms=now_ms(), failure_reason=failure))
        del self._tasks[blueprint_id]

    async def _build(self, blueprint: Blueprint, job: _Job) -> None:
        planned = _plan(job, tuple(self._bases))
        self._store.save(replace(blueprint, status=BuildStatus.PROVISIONING))
        foundation = await self._foundation(job, planned)
        environment = {**foundation.environment, **(planned.environment if planned else {})}
        building = replace(
            blueprint, status=BuildStatus.BUILDING, environment=environment, capabilities=foundation.capabilities
        )

        def progress() -> None:
            self._store.save(building)
            self._store.save_log(blueprint.id, job.log.entries())

        phases = _phases(job, planned, environment)
        await self._builder.build(blueprint.id, phases, job.log, base=foundation.disk, progress=progress)
        job.log.say("The blueprint is complete.")

    async def _foundation(self, job: _Job, planned: Plan | None) -> Foundation:
        base_id = None if job.base is None else job.base.id
        if planned is not None:
            base_id = None if planned.base is None else self._bases[planned.base].id
            job.log.say(f"FROM {planned.origin}: this computer's own system stands in for it.")
        if base_id is None:
            return Foundation()
        try:
            return await job.foundation(base_id)
        except NoLayer as error:
            job.log.say(f"{base_id}: {error}. The default image stands in for it.", level="WARN")
            return Foundation()


def _plan(job: _Job, bases: Collection[str]) -> Plan | None:
    if job.request.dockerfile is None:
        return None
    # Some 5 ms of regular expressions, which the emulator's start does without.
    from pytest_runloop.emulator.domain.buildplan import plan
    from pytest_runloop.emulator.domain.dockerfile import DockerfileError

    try:
        return plan(
            job.request.dockerfile,
            arguments=job.request.arguments,
            secrets=job.secrets,
            path=PATH,
            bases=bases,
            has_context=job.request.context is not None,
        )
    except DockerfileError as error:
        job.log.say(str(error), level="ERROR")
        raise BuildFailed(str(error)) from error


def _phases(job: _Job, planned: Plan | None, environment: Mapping[str, str]) -> Sequence[Phase]:
    request = job.request
    variables = {**job.secrets, **environment}
    setup = [
        Step(title=f"setup command: {command}", command=command, environment=variables)
        for command in request.setup_commands
    ]
    user = Account(username=request.launch.username, uid=request.launch.uid)
    return (
        Phase(
            account=ROOT_ACCOUNT,
            steps=planned.steps if planned else (),
            secrets=job.secrets,
            context=request.context,
            policy=request.network_policy_id,
        ),
        Phase(
            account=user,
            policy=request.network_policy_id,
            steps=setup,
            files=request.file_mounts,
            code_mounts=[code_mount(mount) for mount in request.code_mounts],
        ),
    )
