"""Axons: streams of events, each with a SQLite file of its own in the state directory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_runloop.emulator.domain.catalog import Record
from pytest_runloop.emulator.domain.problems import ApiProblem, bad_request, not_found
from pytest_runloop.emulator.service.axon_database import AxonDatabase, Gone, StatementFailed
from pytest_runloop.emulator.service.catalog import Catalog
from pytest_runloop.emulator.service.changes import Changes
from pytest_runloop.emulator.service.idempotency import OnceOnly
from pytest_runloop.emulator.service.identity import now_ms

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_runloop.emulator.domain.axons import NewEvent, Statement
    from pytest_runloop.emulator.service.paging import Cursor
    from pytest_runloop.emulator.service.store import Store

HEARTBEAT_S = 10.0
"""How long a subscriber hears nothing at most; clients give up after 30 s."""
_LOOK_AGAIN_S = 1.0
"""How often a subscription looks for what was published through another emulator."""
_PIECE = 100
_NEWEST = 2**62
_ABANDONED_S = 60.0
"""How old a file without a record is, at least, if nobody is about to make the record."""
T = TypeVar("T")


class Axons:
    """All axons of the state directory.

    Attributes:
        catalog: Their records.
    """

    def __init__(self, store: Store, *, directory: Path) -> None:
        self.catalog = Catalog(store, kind="Axon", prefix="axn")
        self._directory = directory
        self._changes = Changes()
        self._once = OnceOnly()
        self._turns: dict[str, asyncio.Lock] = {}
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()

    async def create(self, given: dict[str, Any], *, request_id: str) -> Record:
        """Make an axon."""
        fields = {"name": given.get("name"), "metadata": given.get("metadata", {}), "created_at_ms": now_ms()}

        async def begin() -> str:
            # The file comes first: whoever sees the record can use it.
            axon_id = self.catalog.fresh_id()
            await asyncio.to_thread(self._database(axon_id).create)
            return self.catalog.add(Record(id=axon_id, fields=fields)).id

        return await self.catalog.once(begin, request_id=request_id)

    async def delete(self, axon_id: str) -> None:
        """Delete an axon with all that is in it; its subscriptions end.

        Raises:
            ApiProblem: 404.
        """
        self.catalog.delete(axon_id)
        await asyncio.to_thread(self._database(axon_id).remove)
        self._turns.pop(axon_id, None)
        self._changes.notify(axon_id)

    async def publish(self, axon_id: str, event: NewEvent, *, request_id: str) -> tuple[int, int]:
        """Append an event; give its sequence number and its time. A repeat of the request changes nothing.

        Raises:
            ApiProblem: 404.
        """
        database = self._known(axon_id)

        async def publish() -> str:
            now = now_ms()
            sequence = await self._do(axon_id, database.publish, event, now_ms=now)
            self._changes.notify(axon_id)
            return f"{sequence} {now}"

        sequence, time_ms = (await self._once.make(("publish", axon_id, request_id), publish)).split()
        return int(sequence), int(time_ms)

    async def events(self, axon_id: str, cursor: Cursor) -> dict[str, Any]:
        """Give a page of an axon's events, newest first. Their sequence numbers are their ids.

        Raises:
            ApiProblem: 404, or 400 if ``starting_after`` is no sequence number.
        """
        database = self._known(axon_id)
        after = cursor.starting_after
        if after is not None and not (after.isascii() and after.isdigit() and int(after) <= _NEWEST):
            raise bad_request(f"starting_after: {after!r} is no sequence number.")
        found = await self._do(axon_id, database.before, int(after or _NEWEST), limit=cursor.limit + 1)
        return {
            "events": [_of(axon_id, event) for event in found[: cursor.limit]],
            "has_more": len(found) > cursor.limit,
            "total_count": await self._do(axon_id, database.count),
        }

    async def subscribe(self, axon_id: str, *, after: int) -> AsyncIterator[dict[str, Any] | None]:
        """Yield the events that follow one as they come, until the axon is deleted; None now and then while none do."""
        silence_s = 0.0
        while (found := await self._after(axon_id, after)) is not None:
            for event in found:
                yield _of(axon_id, event)
                after, silence_s = event["sequence"], 0.0
            if found:
                continue
            await self._changes.wait(axon_id, timeout_s=_LOOK_AGAIN_S)
            silence_s += _LOOK_AGAIN_S
            if silence_s >= HEARTBEAT_S:
                yield None
                silence_s = 0.0

    async def query(self, axon_id: str, statement: Statement) -> dict[str, Any]:
        """Run one statement.

        Raises:
            ApiProblem: 404, or 400 if it fails.
        """
        try:
            (result,) = await self._run(axon_id, [statement])
        except StatementFailed as failed:
            raise bad_request(f"sql: {failed}") from None
        return result

    async def batch(self, axon_id: str, statements: Sequence[Statement]) -> list[dict[str, Any]]:
        """Run statements in one transaction. If one fails, nothing is done, and every result says so.

        Raises:
            ApiProblem: 404.
        """
        try:
            return [{"success": result} for result in await self._run(axon_id, statements)]
        except StatementFailed as failed:
            undone = f"Nothing was done, because statement {failed.index} failed."
            return [
                {"error": {"message": str(failed) if index == failed.index else undone}}
                for index in range(len(statements))
            ]

    async def _run(self, axon_id: str, statements: Sequence[Statement]) -> list[dict[str, Any]]:
        database = self._known(axon_id)
        # One after another: waiting here holds up no thread.
        async with self._turns.setdefault(axon_id, asyncio.Lock()):
            return await self._do(axon_id, database.run, statements)

    async def _after(self, axon_id: str, after: int) -> list[dict[str, Any]] | None:
        try:
            return await self._do(axon_id, self._known(axon_id).after, after, limit=_PIECE)
        except ApiProblem:
            return None

    async def _do(self, axon_id: str, act: Callable[..., T], *args: object, **options: object) -> T:
        try:
            return await asyncio.to_thread(act, *args, **options)
        except Gone:  # deleted meanwhile
            raise not_found(self.catalog.kind, axon_id) from None

    def _known(self, axon_id: str) -> AxonDatabase:
        return self._database(self.catalog.get(axon_id).id)

    def _database(self, axon_id: str) -> AxonDatabase:
        return AxonDatabase(self._directory / f"{axon_id}.sqlite3")

    def _sweep(self) -> None:
        """Remove files without a record: an emulator died while it made or deleted an axon."""
        known = {axon.id for axon in self.catalog.all()}
        for path in self._directory.iterdir():
            if path.name.split(".")[0] not in known:
                with suppress(FileNotFoundError):  # another emulator sweeps, too
                    if time.time() - path.stat().st_mtime > _ABANDONED_S:
                        path.unlink()


def _of(axon_id: str, event: dict[str, Any]) -> dict[str, Any]:
    return {"axon_id": axon_id, **event}
