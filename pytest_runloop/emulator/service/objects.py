"""Storage objects: records in the store, contents as files in the state directory, addresses with a signature.

A content comes in under a name of its own and gets the object's name only once it is whole, so nobody ever reads half
of it. What a dead emulator left half-way goes when the next one first looks at its objects.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from dataclasses import replace
from typing import IO, TYPE_CHECKING

from pytest_runloop.emulator.domain.objects import (
    ObjectFilter,
    ObjectRequest,
    ObjectState,
    StoredObject,
    object_from_json,
    object_to_json,
)
from pytest_runloop.emulator.domain.problems import ApiProblem, bad_request, conflict, not_found
from pytest_runloop.emulator.service.files import Download
from pytest_runloop.emulator.service.idempotency import OnceOnly
from pytest_runloop.emulator.service.identity import fresh_id, fresh_key, now_ms
from pytest_runloop.emulator.service.paging import Cursor, Page, paginate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from pytest_runloop.emulator.service.membership import Membership
    from pytest_runloop.emulator.service.store import Store

UPLOAD_S = 3600
"""How long an upload's address is good."""
MAX_DOWNLOAD_S = 7 * 24 * 3600
_KEPT_DELETED = 500
"""Deleted objects stay readable; beyond this many the oldest are forgotten."""
_LONGEST_TIMER_S = 24 * 3600.0
_PART = ".part"
_MAX_DIGITS = 19


class Objects:
    """All objects of the state directory. Made when first needed; ``close`` ends its timer."""

    def __init__(self, store: Store, membership: Membership, *, directory: Path) -> None:
        self._documents = store.documents("object")
        self._owner = store.owner
        self._membership = membership
        self._directory = directory
        self._key = _signing_key(store)
        self._once = OnceOnly()
        self._timer: asyncio.TimerHandle | None = None
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()

    def close(self) -> None:
        """Stop looking for what has outlived its time."""
        if self._timer is not None:
            self._timer.cancel()

    async def create(self, request: ObjectRequest, *, request_id: str) -> StoredObject:
        """Begin an object."""
        return self.get(await self._once.make(("object", request_id), lambda: self._begin(request)))

    def get(self, object_id: str) -> StoredObject:
        """Find an object, deleted ones included.

        Raises:
            ApiProblem: 404.
        """
        document = self._documents.get(object_id)
        if document is None:
            raise not_found("Object", object_id)
        return object_from_json(document).at(now_ms())

    def readable(self, object_id: str, *, field: str) -> StoredObject:
        """Find the object that a request means to read.

        Raises:
            ApiProblem: 400 naming the field, if it isn't there or isn't complete.
        """
        document = self._documents.get(object_id)
        found = None if document is None else object_from_json(document).at(now_ms())
        if found is None or found.state is not ObjectState.READ_ONLY:
            state = "does not exist" if found is None else f"is {found.state.value}, not READ_ONLY"
            raise bad_request(f"{field}: object {object_id!r} {state}.")
        return found

    def page(self, wanted: ObjectFilter, cursor: Cursor) -> Page[StoredObject]:
        """List objects, newest first."""
        return paginate(filter(wanted.accepts, self.all()), cursor)

    def all(self) -> list[StoredObject]:
        """Give all objects, newest first, deleted ones included."""
        now = now_ms()
        return [object_from_json(document).at(now) for document in self._documents.all()]

    def complete(self, object_id: str) -> StoredObject:
        """Say that an object has been uploaded.

        Raises:
            ApiProblem: 404, 409 if it isn't being uploaded, 400 if nothing has come.
        """
        found = self.get(object_id)
        if found.state is not ObjectState.UPLOADING:
            raise conflict(f"Object {object_id} is {found.state.value}, not UPLOADING.")
        try:
            size = self._path(object_id).stat().st_size
        except FileNotFoundError:
            raise bad_request(f"Object {object_id} has no content yet; PUT it to its upload_url first.") from None
        return self._save(replace(found, state=ObjectState.READ_ONLY, size_bytes=size))

    def delete(self, object_id: str) -> StoredObject:
        """Delete an object and its content, uploaded or not; a second time is harmless.

        Raises:
            ApiProblem: 404.
        """
        deleted = self._save(replace(self.get(object_id), state=ObjectState.DELETED))
        self._path(object_id).unlink(missing_ok=True)
        return deleted

    async def put(self, object_id: str, pieces: AsyncIterator[bytes]) -> None:
        """Take an object's content in, piece by piece.

        Raises:
            ApiProblem: 404, or 409 if it isn't being uploaded any more.
        """
        self._uploading(object_id)
        part = self._directory / f"{object_id}.{self._owner}.{fresh_key(8)}{_PART}"
        try:
            with part.open("xb", buffering=0) as file:
                async for piece in pieces:
                    _append(file, piece)
            self._uploading(object_id)
            part.replace(self._path(object_id))
        finally:
            part.unlink(missing_ok=True)

    def download(self, object_id: str) -> Download:
        """Open an object's content. The caller closes it.

        Raises:
            ApiProblem: 404, or 400 if it is deleted or isn't complete.
        """
        self.get(object_id)
        self.readable(object_id, field="id")
        try:
            return Download(self._path(object_id).open("rb", buffering=0))
        except FileNotFoundError:
            raise ApiProblem(404, f"Object {object_id} has lost its content.") from None

    def content(self, object_id: str) -> Path:
        """Say where an object's content is, for whoever has an address of it.

        Raises:
            ApiProblem: 404, also if it is deleted.
        """
        if self.get(object_id).state is not ObjectState.READ_ONLY or not self._path(object_id).exists():
            raise ApiProblem(404, f"Object {object_id} has no content, or none any more.")
        return self._path(object_id)

    def signature(self, method: str, object_id: str, *, expires_s: int) -> str:
        """Sign what an address allows: one method on one object, until a time in seconds."""
        allowed = f"{method} {object_id} {expires_s}".encode()
        return hmac.new(self._key, allowed, hashlib.sha256).hexdigest()

    def check_signature(self, method: str, object_id: str, *, expires: str, signature: str) -> None:
        """Let only a signed address through that is still good.

        Raises:
            ApiProblem: 403.
        """
        end = int(expires) if expires.isascii() and expires.isdigit() and len(expires) < _MAX_DIGITS else 0
        expected = self.signature(method, object_id, expires_s=end)
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise ApiProblem(403, f"The address is not signed for {method} of object {object_id}; ask for one.")
        if end * 1000 <= now_ms():
            raise ApiProblem(403, f"The address of object {object_id} has expired; ask for a new one.")

    async def _begin(self, request: ObjectRequest) -> str:
        now = now_ms()
        one = StoredObject(
            id=fresh_id("obj"),
            name=request.name,
            content_type=request.content_type,
            state=ObjectState.UPLOADING,
            create_time_ms=now,
            metadata=request.metadata,
            delete_after_time_ms=None if request.ttl_ms is None else now + request.ttl_ms,
        )
        self._documents.add(one.id, object_to_json(one))
        if one.delete_after_time_ms is not None:
            self._look_again_by(one.delete_after_time_ms)
        return one.id

    def _save(self, one: StoredObject) -> StoredObject:
        self._documents.save(one.id, object_to_json(one))
        return one

    def _uploading(self, object_id: str) -> None:
        state = self.get(object_id).state
        if state is not ObjectState.UPLOADING:
            raise conflict(f"Object {object_id} is {state.value}; its content can't be changed.")

    def _path(self, object_id: str) -> Path:
        return self._directory / object_id

    def _sweep(self) -> None:
        """Delete what has outlived its time, and files that belong to nothing."""
        everything = self.all()
        deleted = [one for one in everything if one.state is ObjectState.DELETED]
        for one in deleted:
            self._save(one)
            self._path(one.id).unlink(missing_ok=True)
        for one in deleted[_KEPT_DELETED:]:
            self._documents.delete(one.id)
        ends = [one.delete_after_time_ms for one in everything if one.state is not ObjectState.DELETED]
        for end in ends:
            if end is not None:
                self._look_again_by(end)
        for path in self._directory.iterdir():
            if self._is_rubbish(path.name):
                path.unlink(missing_ok=True)

    def _is_rubbish(self, name: str) -> bool:
        if not name.endswith(_PART):
            return self._documents.get(name) is None
        owner = name.split(".")[1]
        return owner != self._owner and bool(self._membership.dead((owner,)))

    def _look_again_by(self, time_ms: int) -> None:
        loop = asyncio.get_running_loop()
        delay_s = min(max(0.0, (time_ms - now_ms()) / 1000), _LONGEST_TIMER_S)
        if self._timer is not None and not self._timer.cancelled() and self._timer.when() > loop.time():
            if self._timer.when() <= loop.time() + delay_s:
                return
            self._timer.cancel()
        self._timer = loop.call_later(delay_s, self._sweep)


def _append(file: IO[bytes], piece: bytes) -> None:
    # On the spot: the server hands out pieces of at most 64 KiB.
    rest = memoryview(piece)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise bad_request(f"The object can't be kept: {error.strerror}.") from None


def _signing_key(store: Store) -> bytes:
    """Give the key of this state directory's addresses, which outlives its emulators."""
    documents = store.documents("object_addresses")
    documents.add("key", {"key": fresh_key(43)})  # only the first one counts
    document = documents.get("key")
    assert document is not None  # noqa: S101 - it was added
    return str(document["key"]).encode()
