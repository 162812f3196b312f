"""One prepared sandbox as a line of the local index: a record, and its text in a file. Pure."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass

SCHEMA = 1
"""Of the index, of the key and of the metadata in the account. A change of what any of them means raises it."""


class Damaged(Exception):
    """Report a text that is no entry of this version; it counts as absent."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A prepared sandbox.

    Attributes:
        key: What was prepared.
        snapshot_id: Its disk.
        created_s: When it was prepared, in seconds since 1970.
        expires_s: From when on nobody may use it.
        run: The run that prepared it.
        devbox_id: The suspended devbox, if there is one.
        state: Its serialised session state, opaque here; None if nobody on this computer has made it yet.
    """

    key: str
    snapshot_id: str
    created_s: int
    expires_s: int
    run: str
    devbox_id: str | None = None
    state: str | None = None


def to_text(entry: Entry) -> str:
    """Return the content of an entry's file."""
    fields = dataclasses.asdict(entry)
    return json.dumps({"schema": SCHEMA, "entry": fields, "sha256": _digest(fields)}, indent=1) + "\n"


def from_text(text: str, *, key: str) -> Entry:
    """Return the entry that a text holds.

    Raises:
        Damaged: It is cut off, changed, of another key or of another version.
    """
    try:
        document = json.loads(text)
    # Deep nesting ends in RecursionError, an absurdly long number in ValueError.
    except (ValueError, RecursionError) as error:
        reason = f"it is no JSON ({error})"
        raise Damaged(reason) from None
    if not isinstance(document, dict) or not isinstance(document.get("entry"), dict):
        reason = "it is not an entry of pytest-runloop"
        raise Damaged(reason)
    schema, fields = document.get("schema"), document["entry"]
    if schema != SCHEMA or isinstance(schema, bool):
        reason = f"it was written by another version of pytest-runloop (schema {schema!r}, not {SCHEMA})"
        raise Damaged(reason)
    if document.get("sha256") != _digest(fields):
        reason = "its content does not match its checksum"
        raise Damaged(reason)
    return _checked(fields, key=key)


def _checked(fields: dict[str, object], *, key: str) -> Entry:
    types = {field.name: _TYPES[str(field.type)] for field in dataclasses.fields(Entry)}
    wrong = [name for name, kinds in types.items() if type(fields.get(name)) not in kinds]
    if wrong or fields.keys() != types.keys():
        reason = f"its fields are not those of an entry ({', '.join(wrong) or 'there are others'})"
        raise Damaged(reason)
    entry = Entry(**fields)  # type: ignore[arg-type] # checked above
    if entry.key != key:
        reason = f"it is of {entry.key}"
        raise Damaged(reason)
    return entry


_TYPES = {"str": (str,), "int": (int,), "str | None": (str, type(None))}


def _digest(fields: dict[str, object]) -> str:
    try:
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
    except (TypeError, ValueError, RecursionError):
        return ""
