"""Blueprints: those that were built and the base ones; what devboxes and other blueprints begin with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.blueprints import BaseBlueprint, hint
from pytest_runloop.emulator.domain.builds import Blueprint, BuildStatus
from pytest_runloop.emulator.domain.problems import bad_request, not_found
from pytest_runloop.emulator.domain.records import SnapshotStatus
from pytest_runloop.emulator.service.blueprint_builds import Foundation
from pytest_runloop.emulator.service.idempotency import OnceOnly
from pytest_runloop.emulator.service.paging import Cursor, Page, paginate

if TYPE_CHECKING:
    from pytest_runloop.emulator.domain.builds import BuildLogEntry, BuildRequest
    from pytest_runloop.emulator.machine.machines import Machines
    from pytest_runloop.emulator.service.blueprint_builds import BlueprintBuilds
    from pytest_runloop.emulator.service.layers import Layers
    from pytest_runloop.emulator.service.network import Network
    from pytest_runloop.emulator.service.objects import Objects
    from pytest_runloop.emulator.service.secrets import Secrets
    from pytest_runloop.emulator.service.store import Store

_LOOK_HOLD_S = 0.5
_SINCE_MS = 1_735_689_600_000
"""When the base blueprints were made, as far as a client can tell."""


class Blueprints:
    """All blueprints of the state directory."""

    def __init__(
        self,
        store: Store,
        machines: Machines,
        *,
        layers: Layers,
        secrets: Secrets,
        builds: BlueprintBuilds,
        bases: Mapping[str, BaseBlueprint],
        objects: Callable[[], Objects],
        network: Callable[[], Network],
    ) -> None:
        self._objects = objects
        self._network = network
        self._store = store
        self._machines = machines
        self._layers = layers
        self._secrets = secrets
        self._builds = builds
        self._bases = {base.id: base for base in bases.values()}
        self._base_names = bases
        self._once = OnceOnly()

    async def create(self, request: BuildRequest, *, request_id: str) -> Blueprint:
        """Begin to build a blueprint and give its record at once.

        Raises:
            ApiProblem: 400, if the request names a secret or blueprint that isn't there.
        """
        return self.get(await self._once.make(("blueprint", request_id), lambda: self._begin(request)))

    def get(self, blueprint_id: str) -> Blueprint:
        """Find a blueprint, deleted and base ones included.

        Raises:
            ApiProblem: 404.
        """
        base = self._bases.get(blueprint_id)
        found = self._store.blueprints.get(blueprint_id) if base is None else _record(base)
        if found is None:
            raise not_found("Blueprint", blueprint_id)
        return found

    async def look(self, blueprint_id: str) -> Blueprint:
        """Find a blueprint, and hold the answer a moment if it is about to be complete: clients look once a second.

        Raises:
            ApiProblem: 404.
        """
        await self._builds.wait(blueprint_id, timeout_s=_LOOK_HOLD_S)
        return self.get(blueprint_id)

    def page(self, cursor: Cursor, *, name: str | None, status: BuildStatus | None) -> Page[Blueprint]:
        """List the account's blueprints, newest first, of one name or status if wanted."""
        there = (blueprint for blueprint in self._store.blueprints.all() if not blueprint.deleted)
        return paginate(_wanted(there, name=name, status=status), cursor)

    def public_page(self, cursor: Cursor, *, name: str | None, status: BuildStatus | None) -> Page[Blueprint]:
        """List the base blueprints in the same way."""
        return paginate(_wanted(map(_record, self._bases.values()), name=name, status=status), cursor)

    def log(self, blueprint_id: str) -> list[BuildLogEntry]:
        """Give a blueprint's build log.

        Raises:
            ApiProblem: 404.
        """
        self.get(blueprint_id)
        if blueprint_id in self._bases:
            return self._layers.log(self._bases[blueprint_id])
        return self._builds.log(blueprint_id)

    async def delete(self, blueprint_id: str) -> None:
        """Delete a blueprint, built or not; devboxes made from it go on. A second time is harmless.

        Raises:
            ApiProblem: 404, or 400 if it is a base one, has snapshots, or is being built by another emulator.
        """
        if blueprint_id in self._bases:
            raise bad_request(f"Blueprint {blueprint_id} is a base blueprint and can't be deleted.")
        self.get(blueprint_id)
        dependent = [
            snapshot.id
            for snapshot in self._store.snapshots()
            if snapshot.source_blueprint_id == blueprint_id
            and snapshot.status in {SnapshotStatus.COMPLETE, SnapshotStatus.IN_PROGRESS}
        ]
        if dependent:
            raise bad_request(
                f"Blueprint {blueprint_id} has dependent snapshots: {', '.join(dependent)}. Delete them first."
            )
        await self._builds.cancel(blueprint_id)
        blueprint = self.get(blueprint_id)
        if not blueprint.status.is_over:
            raise bad_request(f"Blueprint {blueprint_id} is being built by another emulator; delete it there.")
        self._store.blueprints.save(replace(blueprint, deleted=True))
        await self._machines.disks.remove(blueprint_id)

    def find(self, *, given_id: str | None, name: str | None, prefix: str = "") -> Blueprint | None:
        """Find the blueprint that a request means, ready for use; None if it names none.

        Args:
            given_id: The id it gives.
            name: The name it gives, which means the newest one of that name that was built.
            prefix: What the fields' names begin with in the request.

        Raises:
            ApiProblem: 400, naming the closest ones there are.
        """
        if given_id is not None:
            return self._by_id(given_id, field=f"{prefix}blueprint_id")
        return None if name is None else self._by_name(name, field=f"{prefix}blueprint_name")

    async def foundation(self, blueprint_id: str) -> Foundation:
        """Give what a disk made from a blueprint begins with; makes the layer of a base blueprint if need be.

        Raises:
            NoLayer: It can't be made here.
        """
        base = self._bases.get(blueprint_id)
        if base is not None:
            return Foundation(disk=await self._layers.get(base), capabilities=base.capabilities)
        made = self.get(blueprint_id)
        return Foundation(disk=blueprint_id, environment=made.environment, capabilities=made.capabilities)

    async def close(self) -> None:
        """Give up what is being built here; it becomes ``failed``."""
        await self._builds.close()
        await self._layers.close()

    async def _begin(self, request: BuildRequest) -> str:
        base = self.find(given_id=request.base_id, name=request.base_name, prefix="base_")
        secrets = self._secrets.resolve(request.secrets)
        if request.context is not None:
            self._objects().readable(request.context, field="build_context.object_id")
        if request.network_policy_id is not None:
            self._network().check_policy("network_policy_id", request.network_policy_id)
        if inherited := request.launch.parameters.get("network_policy_id"):
            self._network().check_policy("launch_parameters.network_policy_id", str(inherited))
        return self._builds.start(request, secrets=secrets, base=base, foundation=self.foundation)

    def _by_id(self, blueprint_id: str, *, field: str) -> Blueprint:
        base = self._bases.get(blueprint_id)
        found = self._store.blueprints.get(blueprint_id) if base is None else _record(base)
        if found is None:
            raise bad_request(f"{field}: no blueprint {blueprint_id!r}. {hint(blueprint_id, self._known_ids())}")
        if not found.usable:
            state = "deleted" if found.deleted else f"'{found.status.value}', not 'build_complete'"
            raise bad_request(f"{field}: blueprint {blueprint_id!r} is {state}.")
        return found

    def _by_name(self, name: str, *, field: str) -> Blueprint:
        named = [blueprint for blueprint in self._store.blueprints.named(name) if not blueprint.deleted]
        for blueprint in named:
            if blueprint.usable:
                return blueprint
        if name in self._base_names:
            return _record(self._base_names[name])
        if named:
            raise bad_request(
                f"{field}: no built blueprint {name!r}; the newest of that name, {named[0].id},"
                f" is '{named[0].status.value}'."
            )
        raise bad_request(f"{field}: no blueprint {name!r}.")

    def _known_ids(self) -> list[str]:
        return [*(blueprint.id for blueprint in self._store.blueprints.all() if blueprint.usable), *self._bases]


def _record(base: BaseBlueprint) -> Blueprint:
    return Blueprint(
        id=base.id,
        status=BuildStatus.COMPLETE,
        create_time_ms=_SINCE_MS,
        build_finish_time_ms=_SINCE_MS,
        parameters={"name": base.name},
        is_public=True,
        capabilities=base.capabilities,
    )


def _wanted(there: Iterable[Blueprint], *, name: str | None, status: BuildStatus | None) -> Iterator[Blueprint]:
    return (one for one in there if name in {None, one.name} and status in {None, one.status})
