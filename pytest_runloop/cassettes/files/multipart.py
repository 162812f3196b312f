"""Multipart bodies as their parts, and back with a boundary that is always the same. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

BOUNDARY = "pytest-runloop-0123456789abcdef"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"

_TYPE = re.compile(r'multipart/form-data; boundary="?([0-9A-Za-z\'()+_,./:=?-]{1,70})"?')
_HEAD = re.compile(
    r'Content-Disposition: form-data; name="(?P<name>[^"\r\n]*)"'
    r'(?:; filename="(?P<filename>[^"\r\n]*)")?(?:\r\nContent-Type: (?P<type>[^\r\n]*))?'
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part.

    Attributes:
        name: Its name, as quoted in its head; so are the others, empty if there are none.
        head: All of its head, if that says more or says it in another way; then the others are empty.
    """

    name: str = ""
    filename: str | None = None
    type: str | None = None
    head: str = ""
    content: bytes = field(default=b"", repr=False)


def parse(body: bytes, *, content_type: str) -> tuple[Part, ...] | None:
    """Return the parts of a body; None if it is not multipart, or would not come back as it was."""
    boundary = _TYPE.fullmatch(content_type)
    if boundary is None:
        return None
    mark = b"--" + boundary[1].encode()
    if not body.startswith(mark + b"\r\n") or not body.endswith(b"\r\n" + mark + b"--\r\n"):
        return None
    pieces = body[len(mark) + 2 : -len(mark) - 6].split(b"\r\n" + mark + b"\r\n")
    parts = tuple(filter(None, map(_part, pieces)))
    # The boundary of ours may stand in a content, or there is a line in a head that no text can hold.
    is_whole = len(parts) == len(pieces) and build(parts, boundary=boundary[1]) == body
    return parts if is_whole and f"--{BOUNDARY}".encode() not in body.replace(mark, b"") else None


def build(parts: Sequence[Part], *, boundary: str = BOUNDARY) -> bytes:
    mark = b"--" + boundary.encode()
    return b"".join(
        [mark + b"\r\n" + _head(part).encode() + b"\r\n\r\n" + part.content + b"\r\n" for part in parts]
        + [mark + b"--\r\n"]
    )


def _part(piece: bytes) -> Part | None:
    head, blank, content = piece.partition(b"\r\n\r\n")
    try:
        text = head.decode()
    except UnicodeDecodeError:
        return None
    if not blank or not text:
        return None
    known = _HEAD.fullmatch(text)
    if known is None:
        return Part(head=text, content=content)
    return Part(name=known["name"], filename=known["filename"], type=known["type"], content=content)


def _head(part: Part) -> str:
    if part.head:
        return part.head
    filename = "" if part.filename is None else f'; filename="{part.filename}"'
    kind = "" if part.type is None else f"\r\nContent-Type: {part.type}"
    return f'Content-Disposition: form-data; name="{part.name}"{filename}{kind}'
