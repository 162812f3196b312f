"""What to say when no recording answers a request: what was asked, what comes closest, why, and what to do.

The work is bounded, because a test that fails should fail at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from pytest_runloop.cassettes.exchange import OPENAI, Request
from pytest_runloop.cassettes.playing import commandline, nearness, words

if TYPE_CHECKING:
    from pytest_runloop.cassettes.playing.replay import Tape
    from pytest_runloop.cassettes.playing.shelf import Slot

SDKS = ("openai-agents", "runloop-api-client")
"""The packages whose versions decide what is sent."""

_MADE_UP = re.compile(
    r"(?P<uuid>\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b)"
    r"|(?P<hex>(?<![0-9A-Za-z])(?<!, sha256 )(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{6,64}(?![0-9A-Za-z]))"
    r"|(?P<date>\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?)"
    r"|(?P<number>(?<![0-9A-Za-z.])\d{5,}(?:\.\d+)?(?![0-9A-Za-z])(?! bytes, sha256 ))"
    r"|(?P<tmp>(?<=/tmp/tmp)[0-9a-z_]{8}\b|(?<=/pytest-)\d+\b)"
)
"""What looks as if it were made up anew in each run; the digest of a content does not."""

_ISSUED = re.compile(r"\b(?:dbx|snp|bpt)_[0-9A-Za-z]+")
"""Ids that are the same in every replay, and other ones when what they stand for is recorded again."""

_PATTERNS = {
    "uuid": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "hex": "[0-9a-f]{6,64}",
    "date": r"\d{4}-\d\d-\d\d(?:[T ][0-9:.Z+-]+)?",
    "number": r"\d{5,}(?:\.\d+)?",
    "tmp": "[0-9a-z_]+",
}
_NAME = re.compile(r"\s*(?:- )?(?:\w+: )?")
_SHOWN_BEFORE = 16
_LONGEST_READ = 1 << 18
"""Characters that differ. More are not looked through for what may be made up."""


@dataclass(frozen=True)
class _Verdict:
    """Why nothing answers, in few words and in a sentence, and what can be done besides recording again."""

    head: str
    why: str
    remedy: str = ""


def explain(request: Request, tape: Tape, command: str) -> str:
    """Return what to say about a request that nothing on a tape answers.

    Args:
        request: It, with the volatile values of the recording.
        tape: What was looked through.
        command: What records it again.
    """
    near = nearness.closest(request, tape.shelf)
    is_new = near is not None and near not in tape.shelf.same(request)
    meant = nearness.texts(near.exchange.request, request, tape.shelf) if near is not None and is_new else None
    verdict = _verdict(request, tape, near, meant)
    call, asked = words.numbered(request, _number(request, tape)), words.of(request)
    said = [
        f"{tape.label}: no recording answers {call}: {verdict.head}",
        *([f"  asked now: {asked}"] if asked != call else []),
        *_nearest(request, tape, near, meant),
        f"  {verdict.why}",
        f"  {_progress(tape)}",
        f"  cassette: {tape.path}{_origin(tape)}",
        *([f"  {verdict.remedy}"] if verdict.remedy else []),
        "  if the change is meant, record again:",
        f"    {command}",
    ]
    return "\n".join(said)


def _verdict(request: Request, tape: Tape, near: Slot | None, meant: tuple[str, str] | None) -> _Verdict:
    upgrade = _upgrade(request, tape)
    same = tape.shelf.same(request)
    if same:
        return _played(len(same), upgrade)
    if near is None:
        return _Verdict("it was not recorded", f"nothing like it was recorded{upgrade or '.'}")
    differs = _differs(near.exchange.request, request)
    made_up = _made_up(*meant) if meant is not None else None
    if made_up is not None:
        return _Verdict(differs, *made_up)
    if upgrade:
        return _Verdict(differs, f"what the test does may be unchanged{upgrade}")
    if near.played:
        return _Verdict(differs, "the closest recording has been played already, so this call may be a new one.")
    return _Verdict(differs, "the recorded call was not asked for so far, so this may be the same call, changed.")


def _played(times: int, upgrade: str) -> _Verdict:
    count = "once" if times == 1 else f"{times} times"
    return _Verdict(
        f"it was recorded {count} and has been played {count}",
        f"this is done more often now than when it was recorded{upgrade or '.'}",
        "" if upgrade else "if that is an accident (a retry, a loop that polls), do it as often as before.",
    )


def _differs(recorded: Request, asked: Request) -> str:
    old, new = words.command_of(recorded), words.command_of(asked)
    if nearness.is_elsewhere(recorded, asked):
        return "it went to another place"
    if old and new:
        return f"the {_part_of_command(old, new)} differs"
    if asked.path.endswith("/upload_file"):
        is_same_file = words.phrase(recorded).detail.split(" (")[0] == words.phrase(asked).detail.split(" (")[0]
        return "the file's content differs" if is_same_file else "the file differs"
    if asked.host == OPENAI:
        return "what the model is told differs"
    return "what is asked for differs" if recorded.body != asked.body else "its address differs"


def _part_of_command(old: str, new: str) -> str:
    one, other = commandline.taken_apart(old), commandline.taken_apart(new)
    if one.argv != other.argv:
        return "command"
    if one.env != other.env:
        return "environment"
    return "account" if one.user != other.user else "directory"


def _made_up(old: str, new: str) -> tuple[str, str] | None:
    """Return why two texts may mean the same after all, and the rule that would make them."""
    if _ISSUED.sub("", old) == _ISSUED.sub("", new):
        return (
            "only ids differ: what this test shares or is prepared from was recorded again, and this test was not.",
            "",
        )
    if old.count("\n") != new.count("\n"):
        return None
    lines = zip(old.split("\n"), new.split("\n"), strict=True)
    old, new = ("\n".join(side) for side in zip(("", ""), *(pair for pair in lines if pair[0] != pair[1]), strict=True))
    if max(len(old), len(new)) > _LONGEST_READ or _MADE_UP.sub("", old) != _MADE_UP.sub("", new):
        return None
    pairs = zip(_MADE_UP.finditer(old), _MADE_UP.finditer(new), strict=False)
    differing = [(was, now) for was, now in pairs if was[0] != now[0]]
    if not differing:
        return None
    was, now = differing[0]
    others = f", and {len(differing) - 1} more such" if len(differing) > 1 else ""
    why = f"it differs only in what looks made up anew in each run: {was[0]} when recorded, {now[0]} now{others}."
    return (
        why,
        f"make it the same in each run, or declare it volatile in the fixture runloop_cassette_config: {_rule(now)}",
    )


def _rule(found: re.Match[str]) -> str:
    line = found.string[: found.start()].rsplit("\n", 1)[-1]
    # With what stands before it: a rule for every number there is would let anything pass.
    before = line[_NAME.match(line).end() :][-_SHOWN_BEFORE:]  # type: ignore[union-attr]  # it matches nothing as well
    return f'{{"volatile": [re.compile(r"{re.escape(before)}({_PATTERNS[str(found.lastgroup)]})")]}}'


def _upgrade(request: Request, tape: Tape) -> str:
    """Return how versions may be the cause, as the end of a sentence; empty if they can't be."""
    changed = _changed_versions(tape)
    command = words.command_of(request)
    is_theirs = request.host == OPENAI or (bool(command) and not commandline.is_written_by_somebody(command))
    if not changed or not is_theirs:
        return ""
    return f": the SDK makes this call by itself, and it has changed since ({', '.join(changed)})."


def _changed_versions(tape: Tape) -> list[str]:
    recorded = tape.header.versions if tape.header is not None else {}
    pairs = [(name, recorded.get(name), _running(name)) for name in SDKS]
    return [f"{name} {was}, now {now}" for name, was, now in pairs if was and now and was != now]


def _running(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _nearest(request: Request, tape: Tape, near: Slot | None, meant: tuple[str, str] | None) -> Sequence[str]:
    if near is None:
        return ()
    recorded = near.exchange.request
    fate = f"played {near.played}×" if near.played > 1 else "played already" if near.played else "not played yet"
    place = f"recording {near.number} of {len(tape.shelf.slots)}, {fate}"
    is_same = any(slot is near for slot in tape.shelf.same(request))
    diff = [] if is_same else nearness.difference(recorded, request, meant)
    shown = ["", "    --- recorded", "    +++ asked now", *(f"    {line}" for line in diff), ""] if diff else []
    return [f"  closest:   {words.of(recorded)} ({place})", *shown]


def _number(request: Request, tape: Tape) -> int:
    """Return which one of its kind a request is."""
    kind = words.kind(request)
    alike = (slot for slot in tape.shelf.same_way(request) if slot.played)
    return 1 + sum(slot.played for slot in alike if words.kind(slot.exchange.request) == kind)


def _progress(tape: Tape) -> str:
    shelf = tape.shelf
    if shelf.last is None:
        return f"none of its {len(shelf.slots)} recordings had been played before."
    count = f"{shelf.played} of {len(shelf.slots)} recordings had been played"
    return f"{count}; the last that matched: {words.of(shelf.last.exchange.request)} (recording {shelf.last.number})."


def _origin(tape: Tape) -> str:
    header = tape.header
    if header is None:
        return " (it does not say who recorded it)"
    changed = _changed_versions(tape)
    versions = f"; {', '.join(changed)}" if changed else ""
    return f" (recorded on {header.target}, {header.date}{versions})"
