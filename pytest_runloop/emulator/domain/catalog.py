"""Records kept just as the API shows them, and which of them a list shall have. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pytest_runloop.emulator.domain.problems import bad_request

_HIDDEN = "_"
"""What a field's name begins with that is kept and not shown."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """A record.

    Attributes:
        fields: What the API shows beside the id, by the API's own names; names that begin with ``_`` are for us.
    """

    id: str
    fields: Mapping[str, Any]

    def but(self, **fields: object) -> Record:
        """Give the record with other fields."""
        return replace(self, fields={**self.fields, **fields})

    @property
    def document(self) -> dict[str, Any]:
        """Its JSON form for the store."""
        return {"id": self.id, **self.fields}

    @property
    def view(self) -> dict[str, Any]:
        """What clients see."""
        return {name: value for name, value in self.document.items() if not name.startswith(_HIDDEN)}

    @property
    def name(self) -> str:
        """Its name; empty if it has none."""
        return str(self.fields.get("name") or "")


def record_from_json(document: Mapping[str, Any]) -> Record:
    """Read a record back."""
    return Record(id=document["id"], fields={name: value for name, value in document.items() if name != "id"})


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which records a list shall have.

    Attributes:
        equal: What fields must be; None leaves a field open.
        name_part: What must be in the name.
        name_start: What the name must begin with.
        search: What must be in the id or the name, whatever its case.
        metadata: The values allowed by key.
    """

    equal: Mapping[str, object] = dataclasses.field(default_factory=dict)
    name_part: str = ""
    name_start: str = ""
    search: str = ""
    metadata: Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)

    def accepts(self, record: Record) -> bool:
        """Say whether a record belongs in the list."""
        search, label = self.search.lower(), str(record.fields.get("type") or record.name)
        return (
            all(value is None or record.view.get(field) == value for field, value in self.equal.items())
            and self.name_part in record.name
            and record.name.startswith(self.name_start)
            and (search in record.id.lower() or search in label.lower())
            and all(record.fields.get("metadata", {}).get(key) in values for key, values in self.metadata.items())
        )


def refuse_archived(kind: str, record: Record) -> Record:
    """Give a record that isn't archived.

    Raises:
        ApiProblem: 400, if it is.
    """
    if record.fields["status"] == "archived":
        raise bad_request(f"{kind} {record.id} is archived; unarchive it first.")
    return record


def merged(record: Record, changes: Mapping[str, object]) -> Record:
    """Put changed fields into a record; an empty text clears its field."""
    fields = {**record.fields, **changes}
    return replace(record, fields={name: value for name, value in fields.items() if changes.get(name) != ""})
