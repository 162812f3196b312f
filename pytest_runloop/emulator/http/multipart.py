"""Reading multipart/form-data piece by piece. Knows the format, not what the fields mean. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_runloop.emulator.domain.problems import ApiProblem, bad_request

_MAX_HEAD = 16 * 1024
_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^;\s]+))', re.IGNORECASE)
_NAME = re.compile(r'[;\s]name="?([^";]*)"?', re.IGNORECASE)


@dataclass(frozen=True)
class Start:
    """A field begins."""

    name: str


@dataclass(frozen=True)
class Data:
    """Some of the field's content."""

    data: bytes


def boundary(content_type: str) -> bytes:
    """Find the boundary in a content type.

    Raises:
        ApiProblem: 400, if this is no multipart form.
    """
    found = _BOUNDARY.search(content_type)
    if found is None or not content_type.lower().startswith("multipart/form-data"):
        raise bad_request(f"Content-Type: {content_type!r} is not multipart/form-data with a boundary.")
    return (found[1] or found[2]).encode("latin-1")


class Parser:
    """Turns pieces of a body into events. Holds back only what could be the beginning of a boundary."""

    def __init__(self, boundary: bytes) -> None:
        self._mark = b"\r\n--" + boundary
        # As if a line had ended before the body: then the first boundary is like all others.
        self._buffer = b"\r\n"
        self._step = self._preamble
        self._over = False

    def feed(self, data: bytes) -> Iterator[Start | Data]:
        """Take the next piece in and yield what it completes.

        Raises:
            ApiProblem: 400, if this is no multipart form.
        """
        self._buffer += data
        while not self._over:
            event, again = self._step()
            if event is not None:
                yield event
            if not again:
                return

    def finish(self) -> None:
        """Say that the body is over.

        Raises:
            ApiProblem: 400, if the last boundary hasn't come.
        """
        if not self._over:
            raise bad_request("The multipart body ends before its last boundary; send it again.")

    def _preamble(self) -> tuple[Start | Data | None, bool]:
        return self._until_mark(keep=False)

    def _content(self) -> tuple[Start | Data | None, bool]:
        return self._until_mark(keep=True)

    def _until_mark(self, *, keep: bool) -> tuple[Start | Data | None, bool]:
        at = self._buffer.find(self._mark)
        if at < 0:
            at = max(0, len(self._buffer) - len(self._mark) + 1)
            found = False
        else:
            found = True
        content, self._buffer = self._buffer[:at], self._buffer[at:]
        if found:
            self._buffer = self._buffer[len(self._mark) :]
            self._step = self._head
        return (Data(content) if keep and content else None), found

    def _head(self) -> tuple[Start | Data | None, bool]:
        if self._buffer.startswith(b"--"):
            self._over, self._buffer = True, b""
            return None, False
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MAX_HEAD:
                raise _too_long()
            return None, False
        head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        self._step = self._content
        return Start(_field_name(head)), True


def _field_name(head: bytes) -> str:
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-disposition":
            found = _NAME.search(value)
            return "" if found is None else found[1]
    return ""


def _too_long() -> ApiProblem:
    return bad_request(f"A multipart field's head is longer than {_MAX_HEAD} bytes.")
