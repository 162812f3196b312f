"""Which recording is closest to a request, and in what they differ. Pure.

The work is bounded: of long texts only the beginning, or what surrounds the first difference, is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from pytest_runloop.cassettes.exchange import Request
from pytest_runloop.cassettes.playing import meaning
from pytest_runloop.cassettes.playing.shelf import Shelf, Slot

_SEEN = 2048
"""Bytes of a body by which it is judged how close two are."""

_SHORTLIST = 5
_LONG_BODY = 1 << 20
_LONG_LINES = 400
_LINES_SHOWN = 40
_LINE_SHOWN = 160
_BEFORE = 40
_CHUNK = 1 << 16

_IDS = re.compile(r"\b(?:dbx|snp|bpt|bp|exe|exec|shl)_\w+|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_TOKENS = re.compile(rb"\w+")


def closest(request: Request, shelf: Shelf) -> Slot | None:
    """Return the recording that is closest to a request: one that went the same way, or else one of its kind."""
    candidates = shelf.same_way(request)
    if not candidates:
        kin = _shape(request)
        candidates = [slot for slot in shelf.slots if _shape(slot.exchange.request) == kin]
    if not candidates:
        return None
    tokens = _tokens(request)
    # What waits to be played is what this request most likely should have been.
    ranked = sorted(candidates, key=lambda slot: (-_overlap(tokens, slot), bool(slot.played), slot.number))
    seen = _seen(request)
    return max(ranked[:_SHORTLIST], key=lambda slot: (_likeness(seen, slot) + _overlap(tokens, slot), not slot.played))


def difference(recorded: Request, asked: Request, meant: tuple[str, str] | None) -> list[str]:
    """Return a diff of what two requests mean, as ``texts`` said: only what differs, with a line of context."""
    return _first_difference(recorded.body, asked.body) if meant is None else changes(*meant)


def changes(old: str, new: str) -> list[str]:
    """Return a diff of two texts: only what differs, with a line of context."""
    lines = list(_changes(old.split("\n"), new.split("\n")))
    more = len(lines) - _LINES_SHOWN
    return [*lines[:_LINES_SHOWN], f"  … and {more} more lines"] if more > 0 else lines


def texts(recorded: Request, asked: Request, shelf: Shelf) -> tuple[str, str] | None:
    """Return what a recording and a request mean as texts; None if that is too much to read."""
    if max(len(recorded.body), len(asked.body)) > _LONG_BODY and "json" in asked.content_type:
        return None
    now = shelf.text(asked)
    return meaning.of(recorded, shelf.rules).text, now


def is_elsewhere(recorded: Request, asked: Request) -> bool:
    """Return whether two requests went to different things, such as two devboxes."""
    places = {(one.host, one.path.partition("?")[0]) for one in (recorded, asked)}
    return len(places) > 1 and _shape(recorded) == _shape(asked) and recorded.body == asked.body


def _shape(request: Request) -> tuple[str, str, str]:
    return request.method, _IDS.sub("*", request.host), _IDS.sub("*", request.path.partition("?")[0])


def _seen(request: Request) -> str:
    return request.body[:_SEEN].decode("utf-8", "replace")


def _tokens(request: Request) -> frozenset[bytes]:
    return frozenset(_TOKENS.findall(request.body[:_SEEN]))


def _overlap(tokens: frozenset[bytes], slot: Slot) -> float:
    others = _tokens(slot.exchange.request)
    return len(tokens & others) / (len(tokens | others) or 1)


def _likeness(seen: str, slot: Slot) -> float:
    other = _seen(slot.exchange.request)
    head = _equal(seen, other)
    tail = _equal(seen[head:][::-1], other[head:][::-1])
    return 2 * (head + tail) / ((len(seen) + len(other)) or 1)


def _first_difference(old: bytes, new: bytes) -> list[str]:
    at = common(old, new)
    said = [f"  at byte {at:,}, of {len(old):,} recorded and {len(new):,} now"]
    window = slice(max(0, at - _BEFORE), at + _LINE_SHOWN)
    return [*said, *(f"{sign} …{text[window].decode('utf-8', 'replace')}…" for sign, text in (("-", old), ("+", new)))]


def common(old: bytes, new: bytes) -> int:
    """Return how many bytes two contents have in common at their beginning."""
    at, end = 0, min(len(old), len(new))
    while at < end and old[at : at + _CHUNK] == new[at : at + _CHUNK]:
        at += _CHUNK
    return min(end, at + _equal(old[at : at + _CHUNK], new[at : at + _CHUNK]))


def _changes(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    head = _equal(old, new)
    tail = _equal(old[head:][::-1], new[head:][::-1])
    old_rest, new_rest = old[head : len(old) - tail], new[head : len(new) - tail]
    if head > 1:
        # Not the very first: where both went is said in words.
        yield f"  {_cut(old[head - 1])}"
    if max(len(old_rest), len(new_rest)) > _LONG_LINES:
        yield from _replaced(old_rest, new_rest)
        return
    matcher = SequenceMatcher(None, old_rest, new_rest, autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            yield from (f"  {_cut(line)}" for line in _ends(old_rest[a:b]))
        else:
            yield from _replaced(old_rest[a:b], new_rest[c:d])


def _equal(old: Sequence[object], new: Sequence[object]) -> int:
    """Return how many items two sequences have in common at their beginning."""
    return next(
        (at for at, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), min(len(old), len(new))
    )


def _ends(lines: Sequence[str]) -> Sequence[str]:
    return lines if len(lines) <= 3 else [lines[0], "…", lines[-1]]  # noqa: PLR2004


def _replaced(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    starts = [_start(one, other) for one, other in zip(old, new, strict=False)]
    for sign, lines in (("-", old), ("+", new)):
        for at, line in enumerate(lines):
            yield f"{sign} {_cut(line, starts[at] if at < len(starts) else 0)}"


def _start(old: str, new: str) -> int:
    """Return where to begin to show two lines, so that their first difference is seen."""
    longest = max(len(old), len(new))
    return 0 if longest <= _LINE_SHOWN else max(0, _equal(old, new) - _BEFORE)


def _cut(line: str, start: int = 0) -> str:
    before = "…" if start else ""
    after = "…" if len(line) > start + _LINE_SHOWN else ""
    return f"{before}{line[start : start + _LINE_SHOWN]}{after}"
