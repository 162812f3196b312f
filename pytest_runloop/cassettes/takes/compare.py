"""Two recordings of the same thing: whether answers mean the same, and what differs in words. Pure.

Ids have the same names in both recordings already; times, the ids of requests and what is made up anew in each run are
no difference.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import deque
from collections.abc import Iterator

from pytest_runloop.cassettes.exchange import Exchange, Request, Response
from pytest_runloop.cassettes.files.layout import Cassette
from pytest_runloop.cassettes.playing import answers, contents, life, meaning, nearness, words
from pytest_runloop.cassettes.playing.meaning import Meaning, Rules
from pytest_runloop.cassettes.playing.volatile import CONTEXTS, NO_RULES, OURS, SESSION_LABEL, Masking, Pairs

LONGEST = 20
"""Differences in words; more are only counted."""

_TYPE = "content-type"
_TIMES = re.compile(r".*_(?:at|ms|time|time_ms|date|seconds_elapsed)|created|date|timestamp")
_ACCIDENTAL = OURS | {SESSION_LABEL, "request_id", "size_bytes"}
_ID = re.compile(r"\b(?:resp|msg|fc|rs|call|item|req)_[0-9A-Za-z]{16,}\b")
_CLOCK = re.compile(
    r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z| ?[+-]\d\d:?\d\d)?)?"
    r"|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d (?:\d\d:\d\d(?::\d\d)?| ?\d{4})\b"
)
"""Points in time, also as ``ls -l`` shows them."""

_LOOPBACK = re.compile(r"http://127\.0\.0\.1:\d+")
"""The way to a port of a sandbox, on the computer that the emulator runs on."""

_BASE64 = re.compile(r"[A-Za-z0-9+/]{64,}={0,2}")
_GONE = "<made up>"


def same_answer(one: Response | None, other: Response | None) -> bool:
    """Return whether two answers to the same request mean the same."""
    if one is None or other is None:
        return one is other
    if one == other:
        return True
    if (one.status, one.complete, _kind(one)) != (other.status, other.complete, _kind(other)):
        return False
    return _said(one) == _said(other)


def differences(old: Cassette, new: Cassette, rules: Rules = NO_RULES) -> list[str]:
    """Return in words what another recording of the same thing has in another way; empty if they mean the same."""
    said = list(_all_differences(old, new, rules))
    more = len(said) - LONGEST
    return [*said[:LONGEST], f"… and {more} more differences"] if more > 0 else said


def _all_differences(old: Cassette, new: Cassette, rules: Rules) -> Iterator[str]:
    waiting: dict[str, deque[tuple[Exchange, Meaning]]] = {}
    for exchange in old.exchanges:
        means = meaning.of(exchange.request, rules)
        waiting.setdefault(means.key, deque()).append((exchange, means))
    pairs = Pairs()
    for exchange in new.exchanges:
        request = answers.asked(exchange.request, pairs)
        means = meaning.of(request, rules)
        alike = waiting.get(means.key)
        if alike:
            before, meant = alike.popleft()
            pairs.learn(meant.volatile, [pairs.today(value) for value in means.volatile])
            yield from _difference(request, before.response, answers.recorded(exchange.response, pairs))
        elif alike is None or not life.looks(request):
            yield f"{words.of(request)}: it is not in the recording"
    for exchange, _ in (one for alike in waiting.values() for one in alike):
        if not life.looks(exchange.request):
            yield f"{words.of(exchange.request)}: it is in the recording only"


def _difference(request: Request, old: Response | None, new: Response | None) -> Iterator[str]:
    if not same_answer(old, new):
        yield f"{words.of(request)}: {_changed(old, new)}"


def _changed(old: Response | None, new: Response | None) -> str:
    if old is None or new is None:
        return "the client gave up waiting when it was recorded" if old is None else "the client gave up waiting now"
    if old.status != new.status:
        return f"it was answered with {old.status}, and now with {new.status}: {words.shortened(_text(new))}"
    if old.complete != new.complete:
        return "the answer was read to its end only once"
    lines = nearness.changes(_text(old), _text(new))
    return "\n".join(["the answer differs", *(f"    {line}" for line in lines)])


def _kind(response: Response) -> str:
    return response.headers.get(_TYPE, "").partition(";")[0]


def _text(response: Response) -> str:
    said = _said(response)
    return said if isinstance(said, str) else "\n".join(meaning.lines(said))


def _said(response: Response) -> object:
    """Return what an answer says, without what is another in each run."""
    content = response.content
    kind = _kind(response)
    if "json" in kind:
        try:
            return _stable(json.loads(content))
        except (ValueError, RecursionError):
            return contents.digest(content)
    if kind == "text/event-stream":
        return [_event(line) for line in content.decode("utf-8", "replace").splitlines() if line]
    return _stable(contents.described(content))


def _event(line: str) -> object:
    name, _, value = line.partition(": ")
    if name != "data":
        return line
    try:
        return _stable(json.loads(value))
    except (ValueError, RecursionError):
        return _stable(value)


def _stable(value: object) -> object:
    if isinstance(value, str):
        return _stable_text(value)
    if isinstance(value, dict):
        return {name: _GONE if _is_accidental(name, one) else _stable(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_stable(one) for one in value]
    return value


def _is_accidental(name: str, value: object) -> bool:
    # That something has no end yet is no accident.
    return value is not None and (name in _ACCIDENTAL or _TIMES.fullmatch(name) is not None)


def _stable_text(text: str) -> str | list[object]:
    packed = _unpacked(text)
    if packed is not None:
        return [_stable(packed)]
    if _LOOPBACK.fullmatch(text):
        return _GONE
    masked = Masking(NO_RULES, contexts=CONTEXTS).text(text)
    return _CLOCK.sub(_GONE, _ID.sub(_GONE, masked))


def _unpacked(text: str) -> object:
    """Return the members of an archive that a command has written to its output as base64."""
    if not _BASE64.fullmatch(text):
        return None
    try:
        return contents.archived(base64.b64decode(text, validate=True))
    except binascii.Error:
        return None
