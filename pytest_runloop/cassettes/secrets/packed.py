"""Looks into compressed content. Pure."""

from __future__ import annotations

import base64
import io
import re
import zipfile
import zlib
from collections.abc import Iterator

LIMIT_BYTES = 64 * 1024 * 1024
"""How much of one stream is looked at: a bomb must not eat the machine."""

_GZIP = re.compile(rb"\x1f\x8b\x08")
_BASE64 = re.compile(rb"(?:H4sI|UEsD)[A-Za-z0-9+/\\nr\s]{16,}={0,2}")


def contents(data: bytes) -> Iterator[bytes]:
    """Yield what is packed in data: streams of gzip and members of archives, plain or in base64."""
    yield from _unpacked(data)
    for found in _BASE64.finditer(data):
        text = re.sub(rb"\\[nr]|\s|[\\=]", b"", found.group())
        yield from _unpacked(base64.b64decode(text[: len(text) // 4 * 4]))


def _unpacked(data: bytes) -> Iterator[bytes]:
    for found in _GZIP.finditer(data):
        try:
            yield zlib.decompressobj(wbits=31).decompress(data[found.start() :], LIMIT_BYTES)
        except zlib.error:
            continue  # three bytes that only look like a beginning
    if b"PK\x03\x04" in data:
        yield from _members(data)


def _members(data: bytes) -> Iterator[bytes]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError):
        return
    with archive:
        for member in archive.infolist():
            try:
                with archive.open(member) as content:
                    yield content.read(LIMIT_BYTES)
            except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, OSError):
                continue  # damaged, or locked with a password
