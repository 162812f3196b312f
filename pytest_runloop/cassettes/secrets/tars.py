"""Changes text in tar archives so that they stay whole: what they say of its length changes with it. Pure.

Otherwise a secret's length would stay behind in an archive, and another machine's secret would not match it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

_BLOCK = 512
_MAGIC, _MAGIC_AT = "ustar", 257
_SIZE, _SUM, _KIND = slice(124, 136), slice(148, 156), 156
_NAMES = (slice(0, 100), slice(157, 257))
"""Where the member's name stands in its header, and what it links to."""

_FILE = ("0", "\0")


def changed(text: str, change: Callable[[str], str]) -> str:
    """Return text changed; where it holds archives, each of their members by itself.

    Args:
        text: A view, see ``forms``.
        change: Changes text.
    """
    pieces, end = [], 0
    for start in _starts(text):
        if start >= end and _content_size(text[start : start + _BLOCK]) is not None:
            before = change(text[end:start]) if start > end else ""
            archive, end = _archive(text, start, change)
            pieces += [before, archive]
    return "".join([*pieces, change(text[end:])]) if pieces else change(text)


def _starts(text: str) -> Iterator[int]:
    at = text.find(_MAGIC, _MAGIC_AT)
    while at >= 0:
        yield at - _MAGIC_AT
        at = text.find(_MAGIC, at + 1)


def _archive(text: str, at: int, change: Callable[[str], str]) -> tuple[str, int]:
    """Return an archive changed, and where it ends: at what is no whole member."""
    pieces = []
    while (size := _content_size(header := text[at : at + _BLOCK])) is not None:
        content = text[at + _BLOCK : at + _BLOCK + size]
        end = at + _BLOCK + _padded(size)
        if len(content) < size:
            break
        # Others' contents are records that give their own lengths; the search for leaks looks at those.
        new = change(content) if content and header[_KIND] in _FILE else content
        padding = text[at + _BLOCK + size : end] if len(new) == size else "\0" * (_padded(len(new)) - len(new))
        pieces.append(f"{_renamed(header, len(new), change)}{new}{padding}")
        at = min(end, len(text))
    return "".join(pieces), at


def _content_size(header: str) -> int | None:
    """Return how long a member is, by its header; None if it is none."""
    said = _octal(header[_SIZE])
    is_header = header[_MAGIC_AT : _MAGIC_AT + len(_MAGIC)] == _MAGIC and _octal(header[_SUM]) == _sum(header)
    return said if is_header else None


def _renamed(header: str, size: int, change: Callable[[str], str]) -> str:
    new = header
    for place in _NAMES:
        name = header[place].rstrip("\0")
        put = change(name) if name else name
        if put != name and len(put) <= place.stop - place.start:
            new = f"{new[: place.start]}{put.ljust(place.stop - place.start, chr(0))}{new[place.stop :]}"
    if size != _octal(header[_SIZE]):
        new = f"{new[: _SIZE.start]}{size:011o}\0{new[_SIZE.stop :]}"
    return new if new == header else f"{new[: _SUM.start]}{_sum(new):06o}\0 {new[_SUM.stop :]}"


def _sum(header: str) -> int:
    return sum(header.encode("latin-1")) - sum(header[_SUM].encode("latin-1")) + 8 * ord(" ")


def _octal(field: str) -> int | None:
    digits = field.strip("\0 ") or "0"
    return None if digits.strip("01234567") else int(digits, 8)


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
