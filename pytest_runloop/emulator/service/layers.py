"""Layers of the base blueprints that this computer's own system is not enough for.

Each is made once for a state directory, whoever needs it first: in this emulator one task makes it and all wait for
that; between emulators a row in the store says who does.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.steps import Step
from pytest_runloop.emulator.machine.machines import BootError
from pytest_runloop.emulator.service.build_log import BuildLog
from pytest_runloop.emulator.service.builder import ROOT_ACCOUNT, BuildFailed, Phase
from pytest_runloop.emulator.service.identity import fresh_id

if TYPE_CHECKING:
    from pytest_runloop.emulator.domain.blueprints import BaseBlueprint
    from pytest_runloop.emulator.domain.builds import BuildLogEntry
    from pytest_runloop.emulator.machine.machines import Machines
    from pytest_runloop.emulator.service.blueprint_store import BlueprintStore
    from pytest_runloop.emulator.service.builder import Builder
    from pytest_runloop.emulator.service.membership import Membership

_log = logging.getLogger(__name__)
_LOOK_AGAIN_S = 0.1
_PACKAGES = Path("/var/lib/dpkg/status")
"""Changes when the host's packages do, and what was installed over the old ones may not fit the new."""


class NoLayer(Exception):
    """Report a layer that can't be made here; the message says why."""


class Layers:
    """The layers of one state directory, as one emulator makes and finds them."""

    def __init__(self, store: BlueprintStore, machines: Machines, builder: Builder, membership: Membership) -> None:
        self._store = store
        self._machines = machines
        self._builder = builder
        self._membership = membership
        self._making: dict[str, asyncio.Task[str]] = {}
        self._logs: dict[str, BuildLog] = {}

    async def get(self, base: BaseBlueprint) -> str | None:
        """Give the disk that devboxes of a base blueprint begin with; None for the default image.

        The first one who asks waits until it is made. A failure is remembered for the life of this emulator.

        Raises:
            NoLayer: It can't be made here.
        """
        if not base.commands:
            return None
        if base.id not in self._making:
            self._making[base.id] = asyncio.ensure_future(self._make(base))
        # Whoever waits may be cancelled without taking it from the others.
        return await asyncio.shield(self._making[base.id])

    def log(self, base: BaseBlueprint) -> list[BuildLogEntry]:
        """Give what this emulator has to say about making a layer."""
        log = self._logs.get(base.id)
        return [] if log is None else log.entries()

    async def close(self) -> None:
        """Give up what is being made."""
        for making in self._making.values():
            making.cancel()
        await asyncio.gather(*self._making.values(), return_exceptions=True)

    async def _make(self, base: BaseBlueprint) -> str:
        if not self._machines.all_ids:
            raise NoLayer("this emulator runs as an ordinary user of this computer; run it as root for that")
        key = _key(base)
        while True:
            layer = self._store.layer(key)
            disk = fresh_id("lay")
            if layer is None and self._store.claim_layer(key, disk):
                return await self._build(base, disk)
            if layer is not None and layer.owner is None and layer.disk in self._machines.disks.names():
                return layer.disk
            if layer is not None and (layer.owner is None or self._membership.dead((layer.owner,))):
                self._store.drop_layer(layer.disk)
                await self._machines.disks.remove(layer.disk)
            else:
                await asyncio.sleep(_LOOK_AGAIN_S)

    async def _build(self, base: BaseBlueprint, disk: str) -> str:
        log = self._logs[base.id] = BuildLog()
        steps = [Step(title=command.split("\n")[0], command=f"set -e\n{command}") for command in base.commands]
        phases = [Phase(account=ROOT_ACCOUNT, steps=steps)]
        try:
            await self._builder.build(disk, phases, log, base=None, progress=lambda: None)
        except BaseException as error:
            self._store.drop_layer(disk)
            if not isinstance(error, (BuildFailed, BootError, OSError)):
                raise
            printed = [entry.message for entry in log.entries()]
            _log.warning("the layer of %s can't be made here:\n%s", base.name, "\n".join(printed[-20:]))
            raise NoLayer(_reason(printed, error)) from error
        self._store.finish_layer(disk)
        return disk


def _key(base: BaseBlueprint) -> str:
    packages = None
    with contextlib.suppress(OSError):
        state = _PACKAGES.stat()
        packages = (state.st_mtime_ns, state.st_size)
    return hashlib.sha256(repr((base.name, base.commands, packages)).encode()).hexdigest()


def _reason(printed: list[str], error: BaseException) -> str:
    """Give the error with what the failing step said last."""
    return f"{error}; its last words: {printed[-2]}" if len(printed) > 1 else str(error)
