"""Cutting and decoding what commands print. Pure."""

from __future__ import annotations

_CONTINUATION = range(0x80, 0xC0)


def last_lines(data: bytes, lines: int) -> tuple[bytes, bool]:
    """Give the last lines, and whether earlier ones were cut off.

    A last line without its newline counts as a line.
    """
    if not data:
        return data, False
    end = len(data) - 1 if data.endswith(b"\n") else len(data)
    start = end
    for _ in range(lines):
        start = data.rfind(b"\n", 0, start)
        if start < 0:
            return data, False
    return data[start + 1 :], True


def whole_start(data: bytes) -> bytes:
    """Drop the torn first line of a piece taken from the middle; if it has only that, the torn first character."""
    newline = data.find(b"\n")
    if 0 <= newline < len(data) - 1:
        return data[newline + 1 :]
    torn = 0
    while torn < min(3, len(data)) and data[torn] in _CONTINUATION:
        torn += 1
    return data[torn:]


def decode(data: bytes) -> str:
    """Read as UTF-8; what isn't becomes the replacement character."""
    return data.decode("utf-8", "replace")
