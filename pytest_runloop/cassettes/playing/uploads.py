"""The parts of a multipart body, found fast: contents may be long, and nothing is put together again. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')
_NAME = re.compile(r'\bname="([^"]*)"')
_FILENAME = re.compile(r'\bfilename="([^"]*)"')
_TYPE = re.compile(r"(?im)^content-type: *(.+?)\r?$")


@dataclass(frozen=True)
class Part:
    """A field or a file.

    Attributes:
        body: All of the body; the content lies between *start* and *end*.
    """

    name: str
    filename: str
    type: str
    body: bytes = field(repr=False)
    start: int
    end: int

    @property
    def content(self) -> bytes:
        return self.body[self.start : self.end]


def parts(body: bytes, *, content_type: str) -> tuple[Part, ...]:
    """Return the parts of a body; none if it has no boundaries."""
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        return ()
    mark = b"\r\n--" + boundary[1].encode()
    return tuple(_part(body, start + len(mark), end) for start, end in pairwise(_places(body, mark)))


def _places(body: bytes, mark: bytes) -> Iterator[int]:
    # The first has no line before it.
    at = -2 if body.startswith(mark[2:]) else body.find(mark)
    while at != -1:
        yield at
        at = body.find(mark, at + len(mark))


def _part(body: bytes, start: int, end: int) -> Part:
    blank = body.find(b"\r\n\r\n", start, end)
    said = body[start : end if blank < 0 else blank].decode("utf-8", "replace")
    found = (pattern.search(said) for pattern in (_NAME, _FILENAME, _TYPE))
    name, filename, kind = (match[1] if match else "" for match in found)
    return Part(name, filename, kind, body, end if blank < 0 else blank + 4, end)
