"""What is made up anew in each run, and where it stands. Pure.

A value counts as volatile only in a context that only the Agents SDK or this plugin writes: a uuid or a commit in
somebody's own command means what it says. What a context holds is masked, so that two requests that differ only in it
mean the same.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_runloop.errors import SpecError
from pytest_runloop.sandbox import labels

MASK = "<volatile>"

SHORTEST_LEARNED = 8
"""Characters. A shorter value may stand anywhere by chance, so it is masked but never exchanged for another."""

LONGEST_EXCHANGED = 1 << 20
"""Bytes. In a longer content no value is exchanged: to search it for each of them would take too long."""

_HEX = "[0-9a-f]{32}"
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_END = "(?![0-9A-Za-z])"


@dataclass(frozen=True, kw_only=True)
class Context:
    """Where a volatile value stands.

    Attributes:
        clue: What a text has to hold for the pattern to be tried; searching for it is far cheaper.
        pattern: Its one group is the volatile value.
        learned: Whether the value may come up elsewhere, and is told apart from others.
    """

    clue: str
    pattern: re.Pattern[str]
    learned: bool = True


def _context(clue: str, pattern: str, *, learned: bool = True) -> Context:
    return Context(clue=clue, pattern=re.compile(pattern, re.DOTALL), learned=learned)


_SDK = "/tmp/openai-agents"  # noqa: S108 - where the SDK keeps its own things in a sandbox
_CLONE = "/tmp/sandbox-git-"  # noqa: S108 - where it clones to
_PARKED = "/tmp/pytest-runloop-"  # noqa: S108 - where this plugin parks archives

_SESSION = (
    _context("/session-state/", rf"{_SDK}/session-state/({_HEX})(?=/)"),
    _context(".sandbox-runloop-", rf"\.sandbox-runloop-(?:restore|hydrate)-({_HEX})\.tar"),
    _context(".apply_patch-", rf"\.apply_patch-({_HEX})\.tmp"),
    _context(_CLONE, rf"{_CLONE}({_HEX})-(?={_HEX})"),
    _context(_CLONE, rf"{_CLONE}{MASK}-({_HEX})"),
    _context("/events-", rf"/events-({_UUID}|{_HEX})\.jsonl"),
    _context(".sandbox-", rf"\.sandbox-(?:blobfuse-c(?:ache|onfig)|mountpoint-env|rclone-config)/({_HEX}){_END}"),
    _context("sandbox_", rf"sandbox_(?:s3|r2|gcs|azureblob|box)_({_HEX}){_END}"),
    _context(_PARKED, rf"{_PARKED}({_HEX})\.tar"),
)
"""Paths with the id of the SDK's session, or with a random one."""

_HELPER = f"{_SDK}/bin/"
_QUOTED = r"[^']*(?:'\"'\"'[^']*)*"
_WORD = r"(?:'[^']*'|\"'\"|[^\s'\"])+"
_PLUMBING = (
    # The whole script, whose text changes with the SDK. It is put there by whichever test of a shared sandbox comes
    # first; the others look whether it is.
    _context(
        "# INSTALL_RUNTIME_HELPER_V",
        rf"(?:^| )(sh -c '# INSTALL_RUNTIME_HELPER_V\d+\nset -eu\n\ndest=\"\$1\"\n{_QUOTED}'"
        rf" sh) {_HELPER}[a-z-]+-[0-9a-f]{{12}}$",
        learned=False,
    ),
    _context(_HELPER, rf"(?:^| )(test -x) {_HELPER}[a-z-]+-[0-9a-f]{{12}}$", learned=False),
    _context(_HELPER, rf"{_HELPER}[a-z-]+?-([0-9a-f]{{12}}){_END}", learned=False),
    # 2 means "to write, and to remove what is under it", which older versions ask for as 1.
    _context(_HELPER, rf"{_HELPER}resolve-workspace-path-{MASK} {_WORD} {_WORD} ([12])(?= |$)", learned=False),
    _context(
        "workspace_tar_sha256_v",
        rf"{_HELPER}workspace-fingerprint-{MASK} {_WORD} (workspace_tar_sha256_v\d+) ",
        learned=False,
    ),
    # The digest of a manifest, which names the local directories that its files came from.
    _context(
        "/fingerprint.json ",
        rf"{_HELPER}workspace-fingerprint-{MASK} {_WORD} {MASK} \S+/fingerprint\.json ([0-9a-f]{{64}})(?= |$)",
        learned=False,
    ),
)
"""The content of the SDK's helper scripts, which shows in their names: another version of the SDK has others."""

_MODEL = (
    _context("Chunk ID: ", r"(?:^|(?<=\n))Chunk ID: ([0-9a-f]{6})(?=\nWall time: )", learned=False),
    _context("Chunk ID: ", rf"Chunk ID: {MASK}\nWall time: (\d+\.\d+) seconds", learned=False),
)
"""What the SDK's shell tool says to a model about a command."""

CONTEXTS = (*_SESSION, *_PLUMBING, *_MODEL)

OURS = frozenset({
    labels.TEST,
    labels.RUN,
    labels.SANDBOX,
    labels.CREATED,
    labels.EXPIRES,
    labels.HOLDER,
    labels.OWNER_NAME,
})  # fmt: skip
"""The labels that tell apart runs, computers and days; the others say what is wanted."""

_UNIQUE = OURS - {labels.TEST}

SESSION_LABEL = "openai_agents_session_id"


@dataclass(frozen=True)
class Rules:
    """What a user declares volatile, beside what is known to be.

    Attributes:
        extra: Patterns for text; the one group of each is the volatile part, or all of the match if it has none.

    Raises:
        SpecError: A pattern has several groups.
    """

    extra: Sequence[re.Pattern[str]] = ()

    def __post_init__(self) -> None:
        for pattern in self.extra:
            if pattern.groups > 1:
                message = (
                    f"volatile pattern {pattern.pattern!r}: it has {pattern.groups} groups; "
                    "leave one, the volatile part, and write the others as (?:…)"
                )
                raise SpecError(message, field="volatile")


NO_RULES = Rules()


class Masking:
    """The masks over one request.

    Attributes:
        found: The volatile values that may come up elsewhere, in the order in which they stand.
    """

    def __init__(self, rules: Rules, *, contexts: Sequence[Context] = CONTEXTS) -> None:
        self.found: list[str] = []
        self._rules = rules
        self._contexts = contexts

    def text(self, text: str) -> str:
        """Return a text with what is volatile in it masked."""
        for context in self._contexts:
            if context.clue in text:
                text = self._masked(context.pattern, text, learned=context.learned)
        for pattern in self._rules.extra:
            text = self._masked(pattern, text, learned=True)
        return text

    def label(self, name: str, value: str) -> str:
        """Return the value of a label in metadata, masked if it is volatile."""
        if name not in OURS and name != SESSION_LABEL:
            return self.text(value)
        # "Contested" is nobody's name, and an owner who vouches for a disk is no one of today either.
        if value in {"", labels.CONTESTED}:
            return value
        if name in _UNIQUE or name == SESSION_LABEL:
            self.learn(value)
        return MASK

    def learn(self, value: str) -> str:
        """Take down a volatile value, if it can be told apart, and return its mask."""
        if len(value) >= SHORTEST_LEARNED:
            self.found.append(value)
        return MASK

    def _masked(self, pattern: re.Pattern[str], text: str, *, learned: bool) -> str:
        group = 1 if pattern.groups else 0
        pieces, end = [], 0
        for match in pattern.finditer(text):
            if match.start(group) < end or not match[group]:
                continue
            pieces += [text[end : match.start(group)], MASK]
            end = match.end(group)
            if learned:
                self.learn(match[group])
        return "".join([*pieces, text[end:]]) if pieces else text


class Pairs:
    """Volatile values of a recording and those that stand for them today.

    The other ways to write the same uuid are pairs as well.
    """

    def __init__(self) -> None:
        self._today = _Exchange({})
        self._recorded = _Exchange({})

    def learn(self, recorded: Sequence[str], today: Sequence[str]) -> None:
        """Take down which values stand for which; both sequences come from requests that mean the same."""
        pairs = zip(recorded, today, strict=False)
        new = [pair for pair in pairs if pair[0] != pair[1] and self._today.values.get(pair[0]) != pair[1]]
        if not new:
            return
        spelled = [one for pair in new for one in _spelled(*pair)]
        self._today = _Exchange({**self._today.values, **dict(spelled)})
        self._recorded = _Exchange({**self._recorded.values, **{now: was for was, now in spelled}})

    def recorded(self, text: str) -> str:
        """Return a text of today as it was in the recording."""
        return self._recorded.text(text)

    def today(self, text: str) -> str:
        """Return a text of the recording as it is today."""
        return self._today.text(text)

    def recorded_bytes(self, data: bytes) -> bytes:
        return self._recorded.bytes(data)

    def today_bytes(self, data: bytes) -> bytes:
        return self._today.bytes(data)


class _Exchange:
    """Values, and what is put in their places."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values
        self._encoded = tuple(value.encode("utf-8", "surrogatepass") for value in values)

    def text(self, text: str) -> str:
        # A pattern for all of them would have to be made anew, in a millisecond, whenever one is learned.
        found = sorted([value for value in self.values if value in text], key=len, reverse=True)
        if not found:
            return text
        any_of = "|".join(map(re.escape, found))
        return re.sub(rf"(?<![0-9A-Za-z])(?:{any_of}){_END}", lambda match: self.values[match[0]], text)

    def bytes(self, data: bytes) -> bytes:
        # What holds a NUL is no text: another name in an archive would break its checksum.
        if not self.values or len(data) > LONGEST_EXCHANGED or b"\0" in data:
            return data
        if not any(value in data for value in self._encoded):
            return data
        try:
            return self.text(data.decode()).encode()
        except UnicodeDecodeError:
            return data


def _spelled(old: str, new: str) -> Sequence[tuple[str, str]]:
    plain = old.replace("-", ""), new.replace("-", "")
    if not all(re.fullmatch(_HEX, one) for one in plain):
        return [(old, new)]
    return list(zip(_spellings(plain[0]), _spellings(plain[1]), strict=True))


def _spellings(plain: str) -> tuple[str, ...]:
    """Return the ways to write the id of a session: plain, with dashes, and cut off as in a snapshot's name."""
    return (plain, str(uuid.UUID(plain)), plain[:12])
