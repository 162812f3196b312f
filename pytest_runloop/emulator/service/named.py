"""Records of the account that have a name each: network policies, gateway configs, MCP configs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_runloop.emulator.domain.problems import bad_request, not_found
from pytest_runloop.emulator.service.idempotency import OnceOnly
from pytest_runloop.emulator.service.identity import fresh_id, now_ms
from pytest_runloop.emulator.service.paging import Cursor, Page, paginate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_runloop.emulator.domain.records import Devbox
    from pytest_runloop.emulator.service.store import Store

Fields = dict[str, Any]
Users = Callable[[str], "Iterable[Devbox]"]
"""Gives the devboxes that use a record, by its id."""


@dataclass(frozen=True, kw_only=True)
class Named:
    """One record.

    Attributes:
        fields: All it says, id and name included.
    """

    id: str
    name: str
    fields: Fields


@dataclass(frozen=True, kw_only=True)
class Sought:
    """Which records of a list are wanted.

    Attributes:
        name: A part of their name.
        search: A part of their name or id.
    """

    id: str = ""
    name: str = ""
    search: str = ""

    def accepts(self, record: Named) -> bool:
        """Say whether a record is one of them."""
        return (
            self.id in {"", record.id}
            and self.name.lower() in record.name.lower()
            and (self.search.lower() in record.name.lower() or self.search in record.id)
        )


class NamedRecords:
    """All records of one kind. Their names are unique, and free again once a record is deleted."""

    def __init__(
        self, store: Store, *, kind: str, prefix: str, users: Users, built_in: tuple[Fields, ...] = ()
    ) -> None:
        """Note which kind it is.

        Args:
            store: Where the records are.
            kind: What a record is called in messages.
            prefix: What the records' ids begin with.
            users: Who uses a record, which can't be deleted then.
            built_in: Records that are always there; nobody can change them.
        """
        self.kind = kind
        self._prefix = prefix
        self._users = users
        self._documents = store.documents(kind.lower().replace(" ", "_"))
        self._built_in = {fields["id"]: _named(fields) for fields in built_in}
        self._once = OnceOnly()

    async def create(self, fields: Mapping[str, Any], *, request_id: str) -> Named:
        """Keep a new record; a repeat of the request gives the same one.

        Raises:
            ApiProblem: 400, if the name is taken.
        """

        async def begin() -> str:
            return self._add(fields)

        return self.get(await self._once.make((self.kind, request_id), begin))

    def _add(self, fields: Mapping[str, Any]) -> str:
        now = now_ms()
        document = {"id": fresh_id(self._prefix), "create_time_ms": now, "update_time_ms": now, **fields}
        with self._documents.alone():
            self._check_name(fields["name"])
            self._documents.add(document["id"], document)
        return str(document["id"])

    def get(self, record_id: str) -> Named:
        """Find a record.

        Raises:
            ApiProblem: 404.
        """
        document = self._documents.get(record_id)
        if document is None and record_id not in self._built_in:
            raise not_found(self.kind, record_id)
        return self._built_in[record_id] if document is None else _named(document)

    def find(self, field: str, name_or_id: str) -> Named:
        """Find a record by its id or its name, for a request that is about something else.

        Raises:
            ApiProblem: 400, naming the field.
        """
        for record in self._all():
            if name_or_id in {record.id, record.name}:
                return record
        raise bad_request(f"{field}: there is no {self.kind} {name_or_id!r}; create it first.")

    def page(self, sought: Sought, cursor: Cursor) -> Page[Named]:
        """List records, newest first."""
        return paginate((record for record in self._all() if sought.accepts(record)), cursor)

    def update(self, record_id: str, change: Callable[[Fields], Fields]) -> Named:
        """Change a record.

        Raises:
            ApiProblem: 404, or 400 if its new name is taken or it is nobody's to change.
        """
        with self._documents.alone():
            record = self._own(record_id)
            changed = change(record.fields)
            if changed["name"] != record.name:
                self._check_name(changed["name"])
            document = {**changed, "update_time_ms": max(now_ms(), record.fields["update_time_ms"] + 1)}
            self._documents.save(record_id, document)
        return _named(document)

    def delete(self, record_id: str) -> Named:
        """Forget a record and give it once more.

        Raises:
            ApiProblem: 404, or 400 while a devbox uses it.
        """
        record = self._own(record_id)
        users = [devbox.id for devbox in self._users(record_id)]
        if users:
            message = f"{self.kind} {record_id} is in use by {', '.join(users)}; shut these devboxes down first."
            raise bad_request(message)
        self._documents.delete(record_id)
        return record

    def _all(self) -> Iterator[Named]:
        yield from (_named(document) for document in self._documents.all())
        yield from self._built_in.values()

    def _own(self, record_id: str) -> Named:
        record = self.get(record_id)
        if record_id in self._built_in:
            raise bad_request(f"{self.kind} {record_id} is the system's and can't be changed; create your own.")
        return record

    def _check_name(self, name: str) -> None:
        if any(record.name == name for record in self._all()):
            raise bad_request(f"name: a {self.kind} {name!r} already exists; update it, or take another name.")


def _named(fields: Fields) -> Named:
    return Named(id=fields["id"], name=fields["name"], fields=fields)
