"""Storage objects: what a client may ask for, and the record of what is kept. Pure."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.problems import bad_request

CONTENT_TYPES = ("unspecified", "text", "binary", "gzip", "tar", "tgz")
ARCHIVES = frozenset({"gzip", "tar", "tgz"})
"""The content types that a mount unpacks."""
_MAX_NAME = 1024


class ObjectState(str, enum.Enum):
    """An object's state, spelled as the API spells it."""

    UPLOADING = "UPLOADING"
    READ_ONLY = "READ_ONLY"
    DELETED = "DELETED"
    ERROR = "ERROR"


@dataclass(frozen=True, kw_only=True)
class ObjectRequest:
    """A checked request for a new object.

    Attributes:
        ttl_ms: How long it lives; None for until it is deleted.
    """

    name: str
    content_type: str
    metadata: Mapping[str, str]
    ttl_ms: int | None


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """Everything known of an object but its content, which is a file of its id's name.

    Attributes:
        size_bytes: None until it is complete.
        delete_after_time_ms: When it ends by itself; None for never.
    """

    id: str
    name: str
    content_type: str
    state: ObjectState
    create_time_ms: int
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    size_bytes: int | None = None
    delete_after_time_ms: int | None = None

    def at(self, now_ms: int) -> StoredObject:
        """Give the record as it is at a time: one that has outlived its time is deleted."""
        end = self.delete_after_time_ms
        return self if end is None or now_ms < end else replace(self, state=ObjectState.DELETED)


@dataclass(frozen=True, kw_only=True)
class ObjectFilter:
    """Which objects a list shall have; None leaves a field open."""

    name: str | None = None
    content_type: str | None = None
    state: str | None = None
    search: str | None = None

    def accepts(self, one: StoredObject) -> bool:
        """Say whether an object belongs in the list; deleted ones do only if asked for."""
        return (
            (one.state.value == self.state if self.state else one.state is not ObjectState.DELETED)
            and self.content_type in {None, one.content_type}
            and (self.name or "") in one.name
            and (not self.search or self.search in one.id or self.search in one.name)
        )


def parse_object(body: Mapping[str, object]) -> ObjectRequest:
    """Check a request for a new object.

    Raises:
        ApiProblem: 400 naming the guilty field.
    """
    given = cast("dict[str, Any]", _CREATE("", body))
    if not 0 < len(given["name"]) <= _MAX_NAME:
        raise bad_request(f"name: {len(given['name'])} characters; an object's name has 1 to {_MAX_NAME}.")
    return ObjectRequest(
        name=given["name"],
        content_type=given["content_type"],
        metadata=given.get("metadata", {}),
        ttl_ms=given.get("ttl_ms"),
    )


def object_to_json(one: StoredObject) -> dict[str, Any]:
    """Give an object's JSON form."""
    return dataclasses.asdict(one)


def object_from_json(document: dict[str, Any]) -> StoredObject:
    """Read an object back."""
    return StoredObject(**{**document, "state": ObjectState(document["state"])})


_CREATE = checks.record(
    {
        "name": checks.text,
        "content_type": checks.choice(CONTENT_TYPES),
        "metadata": checks.text_map,
        "ttl_ms": checks.integer(1, 2**53),
    },
    required=("name", "content_type"),
)
