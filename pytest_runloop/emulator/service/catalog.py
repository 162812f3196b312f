"""A family of records: what scenarios, scorers, benchmarks, agents and their like have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.catalog import Filter, Record, record_from_json, refuse_archived
from pytest_runloop.emulator.domain.problems import not_found
from pytest_runloop.emulator.service.idempotency import OnceOnly
from pytest_runloop.emulator.service.identity import fresh_id
from pytest_runloop.emulator.service.paging import Cursor, Page, paginate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from pytest_runloop.emulator.service.store import Store


class Catalog:
    """All records of one kind in the state directory."""

    def __init__(self, store: Store, *, kind: str, prefix: str) -> None:
        """Note which kind it is.

        Args:
            store: Where the records are.
            kind: What a record is called in messages, such as ``Scenario``.
            prefix: What the records' ids begin with.
        """
        self.kind = kind
        self._prefix = prefix
        self._documents = store.documents(kind.lower().replace(" ", "_"))
        self._once = OnceOnly()

    def fresh_id(self) -> str:
        """Make an id for a record to come."""
        return fresh_id(self._prefix)

    async def create(self, fields: Mapping[str, object], *, request_id: str) -> Record:
        """Keep a new record; a repeat of the request gives the same one."""

        async def begin() -> str:
            return self.add(Record(id=self.fresh_id(), fields=fields)).id

        return await self.once(begin, request_id=request_id)

    async def once(self, begin: Callable[[], Awaitable[str]], *, request_id: str) -> Record:
        """Give the record that a request makes, which may be asked for twice."""
        return self.get(await self._once.make((self.kind, request_id), begin))

    def add(self, record: Record) -> Record:
        """Keep a record."""
        self._documents.add(record.id, record.document)
        return record

    def alone(self) -> AbstractContextManager[None]:
        """Let nobody else change records between reading one and saving it; nothing may be awaited meanwhile."""
        return self._documents.alone()

    def save(self, record: Record) -> Record:
        """Keep what became of a record."""
        self._documents.save(record.id, record.document)
        return record

    def get(self, record_id: str) -> Record:
        """Find a record.

        Raises:
            ApiProblem: 404.
        """
        document = self._documents.get(record_id)
        if document is None:
            raise not_found(self.kind, record_id)
        return record_from_json(document)

    def active(self, record_id: str) -> Record:
        """Find a record that isn't archived.

        Raises:
            ApiProblem: 404, or 400 if it is.
        """
        return refuse_archived(self.kind, self.get(record_id))

    def archive(self, record_id: str, *, archived: bool) -> Record:
        """Take a record out of the lists, or back into them.

        Raises:
            ApiProblem: 404.
        """
        with self.alone():
            return self.save(self.get(record_id).but(status="archived" if archived else "active"))

    def delete(self, record_id: str) -> None:
        """Forget a record.

        Raises:
            ApiProblem: 404.
        """
        if not self._documents.delete(record_id):
            raise not_found(self.kind, record_id)

    def all(self) -> Iterator[Record]:
        """Go through the records that aren't archived, newest first."""
        everything = (record_from_json(document) for document in self._documents.all())
        return (record for record in everything if record.fields.get("status") != "archived")

    def page(self, wanted: Filter, cursor: Cursor) -> Page[Record]:
        """List records, newest first."""
        return paginate((record for record in self.all() if wanted.accepts(record)), cursor)
