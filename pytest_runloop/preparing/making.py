"""Preparing a sandbox: made ready once, its disk kept as a snapshot, its devbox suspended."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_runloop.cache.entry import Entry
from pytest_runloop.errors import ProvisioningError
from pytest_runloop.preparing import finding, sweeping
from pytest_runloop.sandbox import commands, creation, labels, snapshots
from pytest_runloop.sandbox.boundary import ApiFailure

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Coroutine

    from pytest_runloop.preparing.bench import Bench
    from pytest_runloop.sandbox.boundary import Provider
    from pytest_runloop.sandbox.running import Running
    from pytest_runloop.spec import SandboxSpec

T = TypeVar("T")

SYNC_S = 120.0


def ready(bench: Bench, spec: SandboxSpec, key: str, *, run: str, stop: threading.Event | None = None) -> Entry:
    """Return what is prepared under a key; whoever comes first prepares it, and the others wait.

    Args:
        bench: Our tools.
        spec: What to prepare.
        key: Its key.
        run: If not empty: what was prepared before does not count, unless that run did it.
        stop: Set from another thread to give up waiting.

    Raises:
        ProvisioningError: It could not be prepared; nothing is kept of it.
    """
    found = bench.indexed(key) if _counts(bench, key, run) else None
    if found is not None:
        bench.notes.count_found(key)
    else:
        saying = f"waiting for another process that prepares the sandbox of {spec.test} ({key})"
        with bench.hold(key, "preparation", saying=saying, stop=stop):
            found = bench.first(_found(bench, key, run) or _make(bench, spec, key, stop=stop))
            if run:
                bench.locks.mark_renewed(key, run=run)
    return found


def renewed(bench: Bench, spec: SandboxSpec, key: str) -> Entry:
    """Prepare anew and replace what there is."""
    saying = f"waiting for another process that prepares the sandbox of {spec.test} ({key})"
    with bench.hold(key, "preparation", saying=saying, stop=None):
        return _make(bench, spec, key, stop=None)


def mended(bench: Bench, spec: SandboxSpec, gone: Entry) -> Entry:
    """Return what takes the place of an entry whose disk snapshot is gone."""
    key = gone.key
    saying = f"waiting for another process that prepares the sandbox of {spec.test} ({key})"
    with bench.hold(key, "preparation", saying=saying, stop=None):
        known = bench.indexed(key)
        if known is not None and known.snapshot_id != gone.snapshot_id:
            return known
        return _in_account(bench, key) or _make(bench, spec, key, stop=None)


def _counts(bench: Bench, key: str, run: str) -> bool:
    return not run or bench.locks.renewed_by(key) == run


def _found(bench: Bench, key: str, run: str) -> Entry | None:
    if not _counts(bench, key, run):
        return None
    found = bench.indexed(key) or _in_account(bench, key)
    if found is not None:
        bench.notes.count_found(key)
    return found


def _in_account(bench: Bench, key: str) -> Entry | None:
    async def look(provider: Provider) -> Entry | None:
        listed = await finding.disks(provider.account, bench, key)
        return await finding.oldest_usable(provider.account, bench, listed)

    try:
        found = bench.provisioner.ask(look)
    except ApiFailure as failure:
        message = f"prepared sandboxes could not be looked up in the account: {failure}; check the API's state"
        raise ProvisioningError(message) from failure
    if found is not None:
        bench.remember(found)
        sweeping.sweep_now_and_then(bench)
    return found


def _make(bench: Bench, spec: SandboxSpec, key: str, *, stop: threading.Event | None) -> Entry:
    now_s = int(time.time())
    # The SDK's own mark of a session that is meant to be resumed; it is part of the state.
    spec = replace(spec, options={**spec.options, "pause_on_exit": True})
    plan = Entry(
        key=key,
        snapshot_id="",
        created_s=now_s,
        expires_s=now_s + max(1, int(bench.max_age_s)),
        run=bench.provisioner.run,
    )
    marks = {**bench.marks(plan, kind=labels.PREPARING), labels.HOLDER: bench.holder()}
    before = _asked(bench, spec, lambda provider: finding.disks(provider.account, bench, key))
    bench.notes.tell(f"preparing the sandbox of {spec.test} ({key})")
    running = bench.provisioner.begin(spec, marks=marks, stop=stop)
    try:
        own = replace(plan, snapshot_id=_asked(bench, spec, partial(_disk, bench=bench, running=running, plan=plan)))
        kept = _asked(bench, spec, partial(_elected, bench=bench, own=own, before={one.id for one in before}))
        state = _asked(bench, spec, partial(_state, running=running))
    except BaseException:
        bench.provisioner.delete(running)
        raise
    bench.notes.count_made(key)
    kept = _put_aside(bench, running, own, state=state) if kept == own else _yielded(bench, running, own, kept=kept)
    bench.remember(kept)
    sweeping.discard(bench, kept, disks=before)
    sweeping.sweep_now_and_then(bench)
    return kept


def _asked(bench: Bench, spec: SandboxSpec, work: Callable[[Provider], Coroutine[Any, Any, T]]) -> T:
    try:
        return bench.provisioner.ask(work)
    except ApiFailure as failure:
        remedy = creation.REFUSALS.get(failure.status or 0, "check the API's state")
        message = f"{spec.test}: the sandbox could not be prepared: {failure}; {remedy}. Nothing of it is kept"
        raise ProvisioningError(message) from failure


async def _disk(provider: Provider, *, bench: Bench, running: Running, plan: Entry) -> str:
    # A snapshot of a running devbox is what a power failure would leave; so nothing may be on its way to the disk.
    sync = commands.Line(text="sync", shown="sync")
    commands.checked(await commands.run(running.api, sync, timeout=SYNC_S))
    return await snapshots.take(
        running.api,
        provider.account,
        name=f"pytest-runloop-{plan.key}",
        labels=bench.marks(plan, kind=labels.DISK),
        seconds=running.request.timeouts.snapshot_s,
    )


async def _elected(provider: Provider, *, bench: Bench, own: Entry, before: set[str]) -> Entry:
    """Return the one that is kept of all that were prepared at the same time: the oldest."""
    listed = await finding.disks(provider.account, bench, own.key)
    rivals = [one for one in listed if one.id not in before]
    kept = await finding.oldest_usable(provider.account, bench, rivals)
    return own if kept is None or kept.snapshot_id == own.snapshot_id else kept


async def _state(provider: Provider, *, running: Running) -> str:
    return provider.serialise(running.started)


def _put_aside(bench: Bench, running: Running, own: Entry, *, state: str) -> Entry:
    reason = bench.provisioner.put_aside(running, snapshot_id=own.snapshot_id)
    if reason is None:
        return replace(own, devbox_id=running.api.devbox_id, state=state)
    bench.notes.problem(f"{reason}; resume() starts another one from disk snapshot {own.snapshot_id}")
    return own


def _yielded(bench: Bench, running: Running, own: Entry, *, kept: Entry) -> Entry:
    bench.notes.tell(f"another machine has prepared the same ({own.key}); its disk snapshot {kept.snapshot_id} is kept")
    bench.provisioner.delete(running)
    sweeping.drop_disk(bench, own.snapshot_id)
    return kept
