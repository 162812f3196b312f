"""The parts of a multipart body, found fast: contents may be long, and nothing is put together again. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')
_NAME = re.compile(r'\bname="([^"]*)"')
_FILENAME = re.compile(r'\bfilename="([^"]*)"')
_TYPE = re.compile(r"(?im)^content-type: *(.+?)\r?$")


@dataclass(frozen=True)
class Part:
    """A field or a file."""

    name: str
    filename: str
    type: str
    content: bytes = field(repr=False)


def parts(body: bytes, *, content_type: str) -> tuple[Part, ...]:
    """Return the parts of a body; none if it has no boundaries."""
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        return ()
    mark = b"\r\n--" + boundary[1].encode()
    # The first has no line before it, the last is what follows the end.
    _, *pieces = (b"\r\n" + body).split(mark)
    return tuple(_part(piece) for piece in pieces[:-1])


def _part(piece: bytes) -> Part:
    head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    said = head.decode("utf-8", "replace")
    found = (pattern.search(said) for pattern in (_NAME, _FILENAME, _TYPE))
    name, filename, kind = (match[1] if match else "" for match in found)
    return Part(name, filename, kind, content)
