"""Places in text where a secret stands, whatever its value is. Pure.

The name of a place decides what stands there in a recording, so that a machine with another secret, or with none, sends
the same request. Only literal values count: ``TOKEN=$(cat a)`` is a command, and stays one.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import unquote, unquote_plus

from pytest_runloop.cassettes.secrets import shellwords
from pytest_runloop.cassettes.secrets.known import is_secret_name, is_strong, placeholder

Show: TypeAlias = Callable[[str, str], None]
"""Is told the name and the value of every secret that is found."""

_TRIGGERS = (
    "TOKEN", "PASS", "SECRET", "KEY", "CREDENTIAL", "AUTH", "PWD", "://", "SIG", "COOKIE", "_URL", "ACCESSID", "PAT=",
    "_PAT", "PAT:",
)  # fmt: skip
_TRIGGER = re.compile("|".join(_TRIGGERS), re.IGNORECASE)
_FOLDED = tuple(map(str.encode, _TRIGGERS))
_DEPTH = 6

_WORDS = tuple(map(re.compile, (
    b"TOKEN", b"PASS", b"SECRET", b"CREDENTIAL", b"KEY", b"PAT", b"AUTH", b"PWD", b"COOKIE", b"SIG", b"GOOGLEACCESSID",
)))  # fmt: skip
_NAMED = re.compile(
    r"(?P<word>token|passw(?:or)?d|passphrase|secret|credentials?|key(?:id)?|pat|auth|authorization|pwd|cookie|"
    r"signature|googleaccessid|sig)(?P<no>[_-]?\d{1,3})?(?P<to>\\*[\"']?(?:=|\s{0,3}:\s{0,3}|\s=\s)\\*[\"']?)"
    r"(?P<scheme>(?:bearer|basic|token|apikey)\s+)?(?P<value>[^\s\"'\\,;<>$`(){}\[\]|&#]+)(?=[\s\"'\\,;|&#]|$)",
    re.IGNORECASE,
)
_NAME_BEFORE = re.compile(r"(?P<edge>^|[\s\"'\\;&|(?,{\[])(?P<name>-{0,2}[\w-]{0,60})$")
_USERINFO = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]{1,20}://)(?P<user>[^\s/@:\"'<>\\$`]*)(?P<colon>:)?"
    r"(?P<password>(?<=:)[^\s/@\"'<>\\$`]*)?@(?P<host>[\w.-]+)",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(r"(-{0,2}[A-Za-z_][\w.-]{0,99})=(.*)", re.DOTALL)
_HEADER = re.compile(r"([A-Za-z][\w-]{0,60}):\s*((?:bearer|basic|token|apikey)\s+)?(\S.*)", re.IGNORECASE | re.DOTALL)
_OPTION = re.compile(r"--?(?:\w+-)?(?:token|password|passphrase|api-key|access-key)", re.IGNORECASE)
_CODE_NEXT = re.compile(r"-[a-z]*[ce]")
_QUERY_VALUE = re.compile(r"([?&;])([\w.%-]{1,60})=([^&;\s#\"'<>\\]+)")
_NEEDS_NO_QUOTES = re.compile(r"(?:[\w@%+=:,./-]|<secret:[A-Za-z0-9_.@+-]*>)+", re.ASCII)
_USER_ONLY = frozenset({"", "x", "x-oauth-basic"})

_PATTERNS = (
    ("openai-key", "sk-", r"(?<![\w-])sk-[A-Za-z0-9_-]{20,}"),
    ("github-token", "gh[pousr]_", r"(?<!\w)gh[pousr]_[A-Za-z0-9]{20,}"),
    ("github-token", "github_pat_", r"(?<!\w)github_pat_[A-Za-z0-9_]{22,}"),
    ("gitlab-token", "glpat-", r"(?<!\w)glpat-[A-Za-z0-9_-]{20,}"),
    ("aws-key", "A[KS]IA", r"(?<![A-Za-z0-9+/])(?:AKIA|ASIA)[0-9A-Z]{16}(?![A-Za-z0-9+/])"),
    ("slack-token", "xox", r"(?<!\w)xox[abeprs]-[A-Za-z0-9-]{10,}"),
    ("google-key", "AIza", r"(?<![A-Za-z0-9+/])AIza[0-9A-Za-z_-]{35}(?![\w-])"),
    ("npm-token", "npm_", r"(?<!\w)npm_[A-Za-z0-9]{36}"),
    ("pypi-token", "pypi-AgEI", r"(?<!\w)pypi-AgEI[A-Za-z0-9_-]{20,}"),
    ("huggingface-token", "hf_", r"(?<!\w)hf_[A-Za-z0-9]{30,}"),
    ("stripe-key", "sk_(?:live|test)_", r"(?<!\w)sk_(?:live|test)_[A-Za-z0-9]{16,}"),
    ("stripe-key", "rk_(?:live|test)_", r"(?<!\w)rk_(?:live|test)_[A-Za-z0-9]{16,}"),
    ("runloop-key", "ak_", r"(?<!\w)ak_[A-Za-z0-9]{16,}"),
    ("jwt", "eyJ", r"(?<![\w-])eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    (
        "private-key",
        "-----BEGIN ",
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^<>]{20,20000}?-----END [A-Z ]{0,30}PRIVATE KEY-----",
    ),
)
"""Name, how it begins (letters first: those are found many times faster than by the expression), expression."""

_KINDS = tuple((name, re.compile(begins), re.compile(text)) for name, begins, text in _PATTERNS)


@dataclass(frozen=True, kw_only=True)
class Places:
    """How to treat the places of one text.

    Attributes:
        show: Is told what was found.
        end: Returns where in text a known value ends that begins at a place: one may hold what ends others.
        sure: Whether the text is meant to be executed: a value counts there however plain it is.
    """

    show: Show
    end: Callable[[str, int], int]
    sure: bool = False

    def masked(self, text: str) -> str:
        """Return text with placeholders in every place."""
        if may_hold_places(text):
            text = _USERINFO.sub(self._userinfo, text) if "://" in text and "@" in text else text
            text = self._all_named(text)
        return text

    def command(self, text: str, *, depth: int = 0) -> str:
        """Return a shell command with placeholders in every place, at any depth of quoting."""
        if not may_hold_places(text):
            return text

        def change(word: str, before: str) -> str:
            if not (_TRIGGER.search(word) or (before[:1] == "-" and _OPTION.fullmatch(before))):
                return word
            says = shellwords.literal(word)
            return word if says is None else self._word(word, says, before=before, depth=depth)

        surely = self if self.sure else Places(show=self.show, end=self.end, sure=True)
        return surely.masked(shellwords.changed(text, change))

    def query(self, url: str) -> str:
        """Return a URL whose query values are all secret, as those of a presigned one are."""

        def hide(found: re.Match[str]) -> str:
            edge, name, value = found.groups()
            return f"{edge}{name}={self._stand(name, _unquoted(value))}"

        return _QUERY_VALUE.sub(hide, url)

    def _word(self, word: str, says: str, *, before: str, depth: int) -> str:
        if _OPTION.fullmatch(before) and not says.startswith("-"):
            return _quoted(self._stand(before, says))
        is_code = _CODE_NEXT.fullmatch(before) is not None and word != says
        if not is_code and (found := _ASSIGNED.fullmatch(says)) and is_secret_name(found[1].lstrip("-")):
            return _quoted(f"{found[1]}={self._stand(found[1], found[2])}")
        if not is_code and (found := _HEADER.fullmatch(says)) and is_secret_name(found[1]):
            return _quoted(f"{found[1]}: {found[2] or ''}{self._stand(found[1], found[3])}")
        if word == says or depth == _DEPTH:
            return word
        inner = self.command(says, depth=depth + 1)
        return word if inner == says else _quoted(inner)

    def _all_named(self, text: str) -> str:
        """Do what ``_NAMED.sub`` would, in a fraction of the time: megabytes go through here."""
        folded = text.encode("latin-1").upper()
        starts = sorted(at.start() for word in _WORDS if word.search(folded) for at in word.finditer(folded))
        pieces, end = [], 0
        for start in starts:
            if start >= end and (found := _NAMED.match(text, start)):
                new = self._named(found)
                pieces += [text[end:start], new]
                end = found.end() if new == found.group() else max(found.end(), self.end(text, found.start("value")))
        return "".join([*pieces, text[end:]])

    def _named(self, found: re.Match[str]) -> str:
        value, scheme, start = found["value"], found["scheme"] or "", found.start()
        before = _NAME_BEFORE.search(found.string[max(0, start - 64) : start])
        name = (before["name"] if before else "") + found["word"] + (found["no"] or "")
        surely = (self.sure and found["to"].strip("\\\"'") == "=") or bool(scheme)
        if before is None or not is_secret_name(name.lstrip("-")) or not (surely or _looks_made(value)):
            return found.group()
        if found["to"].endswith(("'", '"')) and found.string[found.end() :].lstrip("\\")[:1] not in "'\"":
            return found.group()
        plain = unquote_plus(value, encoding="latin-1") if before["edge"] in ("?", "&") else value
        return f"{found.group()[: found.start('value') - start]}{self._stand(name, plain)}"

    def _userinfo(self, found: re.Match[str]) -> str:
        user, password, host = found["user"], found["password"], found["host"]
        if password is None and (not found["scheme"].lower().startswith("http") or user == "git" or not user):
            return found.group()
        if password is None or password in _USER_ONLY:
            rest = "" if password is None else f":{password}"
            return f"{found['scheme']}{self._stand(f'user@{host}', _unquoted(user))}{rest}@{host}"
        return f"{found['scheme']}{user}:{self._stand(f'password@{host}', _unquoted(password))}@{host}"

    def _stand(self, name: str, value: str) -> str:
        self.show(name, value)
        return placeholder(name)


def one_quoting(command: str, *, depth: int = 0) -> str:
    """Return a command in which words with a placeholder are quoted as it needs, not as the value did."""

    def change(word: str, _: str) -> str:
        if "<secret:" not in word or (says := shellwords.literal(word)) is None:
            return word
        return _quoted(says if word == says or depth == _DEPTH else one_quoting(says, depth=depth + 1))

    return shellwords.changed(command, change) if "<secret:" in command else command


def may_hold_places(text: str) -> bool:
    """Tell quickly whether text can hold a place of a secret."""
    folded = text.encode("latin-1", "replace").upper()
    for trigger in _FOLDED:  # noqa: SIM110 - a generator takes twice as long, and all that is sent comes here
        if trigger in folded:
            return True
    return False


def patterns(text: str) -> list[tuple[str, str]]:
    """Return what looks like a well-known kind of key: the kind's name, and the key."""
    return [
        (name, found.group().replace("\\n", "\n") if name == "private-key" else found.group())
        for name, begins, kind in _KINDS
        if begins.search(text)
        for at in begins.finditer(text)
        if (found := kind.match(text, at.start()))
    ]


def _quoted(text: str) -> str:
    return text if _NEEDS_NO_QUOTES.fullmatch(text) else shlex.quote(text)


def _unquoted(value: str) -> str:
    return unquote(value, encoding="latin-1")


def _looks_made(value: str) -> bool:
    """Tell whether a value was made by a machine: code and prose have names like these, but no such values."""
    return is_strong(value) and any(map(str.isdigit, value)) and any(map(str.isalpha, value)) and "@" not in value[:1]
