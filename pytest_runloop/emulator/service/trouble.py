"""Trouble with devboxes that was wished for: slow and failing boots, quotas, credits, evictions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.lifecycle import Status
from pytest_runloop.emulator.domain.problems import ApiProblem
from pytest_runloop.emulator.domain.trouble import Dice, Eviction, is_meant
from pytest_runloop.emulator.service.identity import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_runloop.emulator.domain.trouble import BootFailure, Trouble
    from pytest_runloop.emulator.service.devboxes import Devboxes
    from pytest_runloop.emulator.service.evictions import Evictions
    from pytest_runloop.emulator.service.roster import Roster, Runtime


class Troubles:
    """One wish for trouble, while it holds."""

    def __init__(self, wanted: Trouble, roster: Roster, devboxes: Devboxes, evictions: Callable[[], Evictions]) -> None:
        self.wanted = wanted
        self._roster = roster
        self._devboxes = devboxes
        self._evictions = evictions
        self._watching: set[asyncio.Task[None]] = set()
        self._boots = None if wanted.failed_boots is None else self.dice(wanted.failed_boots, "boots")
        self._evicting = None if wanted.evictions is None else self.dice(wanted.evictions, "evictions")
        for runtime in roster.all_held():
            self._expect_eviction(runtime)

    def dice(self, chance: BootFailure | Eviction, what: str) -> Dice:
        """Make what decides, for one kind of trouble."""
        return Dice(chance, seed=self.wanted.seed, what=what)

    def admit(self) -> None:
        """Let a devbox be created or resumed.

        Raises:
            ApiProblem: 402 or 403 without credits, 429 if too many run.
        """
        if self.wanted.out_of_credits is not None:
            message = "The account is out of credits; add credits, or billing information, in the dashboard."
            raise ApiProblem(self.wanted.out_of_credits, message)
        most = self.wanted.running_devboxes
        if most is not None and sum(1 for _ in self._roster.all_held()) >= most:
            message = f"Quota exceeded: the account may have {most} running devboxes; shut down or suspend one."
            raise ApiProblem(429, message)

    async def boot(self, runtime: Runtime) -> str | None:
        """Take the time that a boot takes, and say why it fails, if it does."""
        record, failing = runtime.record, self.wanted.failed_boots
        fresh = record.status is Status.PROVISIONING
        await self._wait(runtime, self.wanted.boot_s if fresh else self.wanted.resume_s)
        if failing is None or not fresh or not is_meant(failing.devbox, name=record.name, devbox_id=record.id):
            self._expect_eviction(runtime)
            return None
        assert self._boots is not None  # noqa: S101 - made where `failing` was given
        if self._boots.hit():
            return "The devbox did not boot: this failure was asked for (failed_boots)."
        self._expect_eviction(runtime)
        return None

    async def suspend(self, runtime: Runtime) -> None:
        """Take the time that a suspend takes."""
        await self._wait(runtime, self.wanted.suspend_s)

    def end(self) -> None:
        """Evict nothing any more."""
        for task in self._watching:
            task.cancel()

    def _expect_eviction(self, runtime: Runtime) -> None:
        eviction, record = self.wanted.evictions, runtime.record
        if eviction is None or self._evicting is None or record.status is Status.SUSPENDING:
            return
        if is_meant(eviction.devbox, name=record.name, devbox_id=record.id) and self._evicting.hit():
            task = asyncio.ensure_future(self._evict(runtime, eviction))
            self._watching.add(task)
            task.add_done_callback(self._watching.discard)

    async def _evict(self, runtime: Runtime, eviction: Eviction) -> None:
        devbox_id = runtime.record.id
        while not _is_running(runtime):
            if not runtime.record.status.is_held:
                return
            await self._roster.changes.wait(devbox_id, timeout_s=60)
        await asyncio.sleep(eviction.after_s)
        self._evictions().announce(devbox_id, deadline_ms=now_ms() + round(eviction.notice_s * 1000))
        await asyncio.sleep(eviction.notice_s)
        if not _is_running(runtime):
            return
        if eviction.ends == "suspend":
            self._devboxes.suspend(devbox_id)
        else:
            self._devboxes.shut_down(devbox_id, force=True)

    async def _wait(self, runtime: Runtime, seconds: float) -> None:
        """Wait, but not for a devbox that ends meanwhile."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while (left := deadline - loop.time()) > 0 and not runtime.record.status.is_over:
            await self._roster.changes.wait(runtime.record.id, timeout_s=left)


def _is_running(runtime: Runtime) -> bool:
    return runtime.record.status is Status.RUNNING
