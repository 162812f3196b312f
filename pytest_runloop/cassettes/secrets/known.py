"""What counts as a secret, and what is known of each. Pure.

Two rules decide about a value, because hiding too much breaks as much as hiding too little: an API key of "test" would
turn every ``pytest tests`` into ``py<secret:…>``, and a machine without that key would then send another command than
the recording shows. So a value is hidden wherever it appears only if it can't be there by chance; a plainer one is
hidden where its name stands next to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import IntEnum

MIN_TELLING, MIN_STRONG, MIN_OF_LETTERS, MIN_STRONG_OF_LETTERS = 6, 8, 11, 16
"""Lengths from which a value with letters and digits, or with letters alone, is hidden wherever it appears.

Six letters and digits are what tests call ``s3cr3t`` and ``hunter2``; below that, hits in ordinary text are everyday.
From the environment come values nobody meant for this test, hence the stronger pair for them.
"""

PLACEHOLDER = re.compile(r"<secret:[A-Za-z0-9_.@+-]*>|secret-tunnel-key-[A-Za-z0-9_-]*")
ENCODED_PLACEHOLDER = re.compile(r"(?:<|%3[Cc])secret(?::|%3[Aa])((?:[A-Za-z0-9_.@+-]|%40|%2[Bb])*)(?:>|%3[Ee])")

_SECRET_END = re.compile(
    r"(?:^|[_-])(?:token|passw(?:or)?d|passphrase|secret|credentials?|apikey|pat|authorization|cookie)$"
    r"|[a-z0-9](?:Token|Password|Secret|ApiKey|AccessKey|SecretKey|PrivateKey|AuthKey)$"
    r"|[_-](?:key|auth|pwd)$|^(?:token|password|secret|auth)s?[_-]?\d+$|(?:token|key|password|secret)[_-]\d+$"
    r"|secret[_-]?(?:access[_-]?)?key|^(?:pgpassword|x-amz-signature|x-amz-credential|x-goog-signature|signature|sig)$"
    r"|^x-goog-credential$|^googleaccessid$|^awsaccesskeyid$|[A-Za-z](?:TOKEN|PASSWORD|SECRET)$",
    re.IGNORECASE,
)
_ORDINARY = re.compile(
    r"(?:public|primary|foreign|sort|cache|partition|host|unique|index|group|idempotency|routing|row|range|map|any)"
    r"[_-]?key$|(?:page|next|continuation|pagination|sync|pad|eos|bos|unk|mask|sep|csrf)[_-]?token$|^max[_-]?token$"
    r"|^old[_-]?pwd$|^pwd$|^git[_-]askpass$",
    re.IGNORECASE,
)
_LONGEST_NAME = 100
_PATH = re.compile(r"(?:\.{0,2}|~\w*|[A-Za-z]:)[/\\]|file:")
_PLAIN_WORDS = frozenset({
    "application", "credentials", "development", "environment", "placeholder", "postgresql", "production", "undefined",
    "unspecified", "localhost.localdomain",
})  # fmt: skip


class Source(IntEnum):
    """Where a value's name comes from; of several names for one value the first here wins, then the older one.

    What requests show comes first: a machine without the secrets has no other names than these. What is found, in an
    answer or by its looks, and what other cassettes showed come last: a replay of this one finds none of it.
    """

    SHOWN = 0
    TOLD = 1
    ENVIRONMENT = 2
    FOUND = 3
    ELSEWHERE = 4


def is_secret_name(name: str) -> bool:
    """Tell whether something with this name (a variable, an option, a header) is a secret."""
    return len(name) <= _LONGEST_NAME and _SECRET_END.search(name) is not None and _ORDINARY.search(name) is None


def is_telling(value: str) -> bool:
    """Tell whether a value that was shown or told to be secret can be recognised wherever it appears."""
    return _weight(value, MIN_TELLING, MIN_OF_LETTERS)


def is_strong(value: str) -> bool:
    """Tell whether a value can be recognised although nobody meant it for what is recorded here."""
    return _weight(value, MIN_STRONG, MIN_STRONG_OF_LETTERS)


def placeholder(name: str) -> str:
    """Return what stands for the secret of this name."""
    return f"<secret:{clean(name)}>"


def clean(name: str) -> str:
    """Return a name that can be part of a placeholder, in a file and in a URL."""
    return re.sub(r"[^A-Za-z0-9_.@+-]", "_", name.strip().lstrip("-"))[:_LONGEST_NAME] or "unnamed"


def holds_placeholder(value: str) -> bool:
    """Tell whether something already stands for a secret here."""
    return PLACEHOLDER.search(value) is not None or ENCODED_PLACEHOLDER.search(value) is not None


class Known:
    """The secrets that are known, by value and by name.

    Attributes:
        version: Grows with every change.
    """

    def __init__(self) -> None:
        self.version = 0
        self._named: dict[str, dict[tuple[int, str], int]] = {}
        self._today: dict[str, tuple[int, str]] = {}

    def add(self, name: str, value: str, source: Source, *, if_worth: Callable[[str], bool] = is_telling) -> None:
        """Remember a value; one that isn't worth hiding everywhere is only remembered as today's value of its name."""
        value, name = value.strip(), clean(name)
        if not value or holds_placeholder(value):
            return
        if self._today.get(name, (source, ""))[0] >= source:
            self._today[name] = (source, value)
        if value in self._named or if_worth(value):
            named = self._named.setdefault(value, {})
            if (source, name) not in named:
                named[source, name] = 0 if source is Source.ELSEWHERE else len(named)
                self.version += 1

    def names(self, value: str) -> list[tuple[int, int, str]]:
        """Return every name under which a value is known, the least of them being the one to use."""
        return [(source, age, name) for (source, name), age in self._named.get(value, {}).items()]

    def values(self) -> list[str]:
        """Return the values that are hidden wherever they appear."""
        return sorted(self._named)

    def today(self, name: str) -> str | None:
        """Return the value that a name stands for now."""
        found = self._today.get(name)
        return found[1] if found else None


def _weight(value: str, with_digits: int, letters_alone: int) -> bool:
    if len(set(value)) < min(with_digits, 5) or _PATH.match(value) or value.lower() in _PLAIN_WORDS:
        return False
    letters, digits = any(map(str.isalpha, value)), any(map(str.isdigit, value))
    others = re.search(r"[^\w\s./:@-]", value) is not None
    return len(value) >= (with_digits if letters + digits + others > 1 else letters_alone)
