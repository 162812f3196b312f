"""Secrets that a stream of events brings piece by piece. Pure."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from pytest_runloop.cassettes.secrets.forms import unview, view

_Path: TypeAlias = tuple[str | int, ...]
_EVENT_END = re.compile(r"(?<=\n\n)|(?<=\r\n\r\n)")
_WHOSE = ("item_id", "output_index", "content_index", "summary_index", "index")


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """A string in the data of one event."""

    line: int
    path: _Path
    text: str


def whole(text: str, hidden: Callable[[str], str]) -> str:
    """Return a stream in which what came in pieces and is secret together stands in the first of the pieces.

    Args:
        text: The stream, a view.
        hidden: Puts placeholders into a text.
    """
    lines = text.splitlines(keepends=True)
    events = {at: data for at, line in enumerate(lines) if (data := _data(line)) is not None}
    streams: defaultdict[tuple[object, ...], list[_Piece]] = defaultdict(list)
    for at, data in events.items():
        whose = tuple(str(data.get(name)) for name in _WHOSE) if isinstance(data, dict) else ()
        for path, said in _strings(data, ()):
            streams[(whose, path)].append(_Piece(line=at, path=path, text=said))
    touched = set()
    for pieces in streams.values():
        joined = "".join(piece.text for piece in pieces)
        new = hidden(joined)
        if new != joined and len(pieces) > 1 and new != "".join(hidden(piece.text) for piece in pieces):
            for piece in pieces:
                events[piece.line] = _put(events[piece.line], piece.path, new if piece is pieces[0] else "")
                touched.add(piece.line)
    for at in touched:
        end = lines[at][len(lines[at].rstrip("\r\n")) :]
        lines[at] = f"data: {view(json.dumps(events[at], ensure_ascii=False, separators=(',', ':')))}{end}"
    return "".join(lines)


def is_stream(text: str) -> bool:
    """Tell whether text is a stream of events."""
    return text.startswith(("data:", "event:", "id:", ":")) and "\n" in text


def split(text: str) -> list[str]:
    """Return a stream as a list of whole events."""
    return [part for part in _EVENT_END.split(text) if part]


def _data(line: str) -> object | None:
    if not line.startswith("data:"):
        return None
    try:
        data: object = json.loads(unview(line[len("data:") :]))
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, (dict, list)) else None


def _strings(value: object, path: _Path) -> Iterator[tuple[_Path, str]]:
    if isinstance(value, str):
        yield path, view(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, (*path, key))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _strings(item, (*path, at))


def _put(value: object, path: _Path, text: str) -> object:
    if not path:
        return unview(text)
    if isinstance(value, dict):
        return {key: _put(item, path[1:], text) if key == path[0] else item for key, item in value.items()}
    if isinstance(value, list):
        return [_put(item, path[1:], text) if at == path[0] else item for at, item in enumerate(value)]
    return value
