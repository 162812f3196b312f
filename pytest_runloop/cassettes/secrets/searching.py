"""Finds known values in text, in every spelling, and puts placeholders there or values back. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, unquote_plus

from pytest_runloop.cassettes.secrets.forms import flattened, recoded, spellings, unview, view
from pytest_runloop.cassettes.secrets.known import ENCODED_PLACEHOLDER, PLACEHOLDER, Known, placeholder

_HEX_RUN = re.compile(r"3[cC]7365637265743[aA](?:[0-9a-fA-F]{2}){1,100}?3[eE]")
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NEEDLES = spellings("<secret:").base64
_CLUES = tuple(spellings("secret").base64)
"""One of these is in each of the needles, and hardly ever anywhere else."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Something to look for, and the name of the secret that it belongs to."""

    fragment: str
    pattern: str
    value: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Index:
    """What to look for.

    Attributes:
        wanted: The longest first.
        base64: Core of a base64 text → where in its group it begins.
        hexes: Spelling → what it becomes.
        names: Cores and spellings → the secret's name.
    """

    wanted: tuple[Wanted, ...]
    base64: dict[str, int]
    hexes: dict[str, str]
    names: dict[str, str]

    def hidden(self, text: str) -> str:
        """Return text with a placeholder for every known value."""
        flat = flattened(text) if self.base64 else ""
        cores = {core: at for core, at in self.base64.items() if core in flat}
        if cores:
            text = recoded(text, cores, self._texts_hidden)
        for spelled, to in self.hexes.items():
            if spelled in text:
                text = text.replace(spelled, to)
        return self._texts_hidden(text)

    def end(self, text: str, start: int) -> int:
        """Return where the known value ends that begins at a place in text; the place itself if none does."""
        ends = [found.end() for one in self.wanted if (found := re.compile(one.pattern).match(text, start))]
        return max(ends, default=start)

    def found(self, text: str) -> list[str]:
        """Return the names of what is found in text."""
        flat, plain = flattened(text), PLACEHOLDER.sub("\0", text) if "secret" in text else text
        hits = {one.name for one in self.wanted if one.fragment in plain and re.search(one.pattern, plain)}
        return sorted(hits | {self.names[spelled] for spelled in (*self.base64, *self.hexes) if spelled in flat})

    def touches(self, text: str) -> bool:
        """Tell quickly whether ``hidden`` may change something."""
        for one in self.wanted:
            if one.fragment in text:
                return True
        flat = flattened(text) if self.names else ""
        for spelled in self.names:  # noqa: SIM110 - a generator takes twice as long, and all that is sent comes here
            if spelled in flat:
                return True
        return False

    def _texts_hidden(self, text: str) -> str:
        hits = [one for one in self.wanted if one.fragment in text]
        if not hits:
            return text
        pattern = "|".join([PLACEHOLDER.pattern, *(f"({one.pattern})" for one in hits)])

        def stand(found: re.Match[str]) -> str:
            if found.lastindex is None:
                return found.group()
            one = hits[found.lastindex - 1]
            stands = stands_for(one.name)
            encoded_for_url = "%" in found.group() and unquote_plus(found.group(), encoding="latin-1") == one.value
            return quote(stands, safe="") if encoded_for_url and "%" not in one.value else stands

        return re.sub(pattern, stand, text)


def index(*known: Known) -> Index:
    """Build what to look for from all that is known."""
    wanted: list[Wanted] = []
    cores: dict[str, int] = {}
    hexes: dict[str, str] = {}
    names: dict[str, str] = {}
    for value in sorted({value for one in known for value in one.values()}):
        name = min(named for one in known for named in one.names(value))[-1]
        stands, spelled = stands_for(name), spellings(value)
        parts = spelled.parts
        if name.startswith("tunnel-key-") and value.lower() != value:
            parts += spellings(value.lower()).parts  # as it is in a host's name
        wanted += [Wanted(fragment=part.fragment, pattern=part.pattern, value=view(value), name=name) for part in parts]
        cores.update(spelled.base64)
        hexes.update(dict.fromkeys(spelled.hexes, stands.encode().hex()))
        names.update(dict.fromkeys((*spelled.base64, *spelled.hexes), name))
    wanted.sort(key=lambda one: (-len(one.pattern), one.pattern))
    return Index(wanted=tuple(wanted), base64=cores, hexes=hexes, names=names)


def stands_for(name: str) -> str:
    """Return what stands for a secret of this name; a tunnel's key has to be fit for a host's name."""
    return f"secret-{name}" if name.startswith("tunnel-key-") else placeholder(name)


def one_spelling(text: str) -> str:
    """Return text with encoded placeholders as plain ones: how a value had to be encoded leaves no trace."""

    def plain(found: re.Match[str]) -> str:
        return placeholder(found[1].replace("%40", "@").replace("%2B", "+").replace("%2b", "+"))

    return ENCODED_PLACEHOLDER.sub(plain, text) if "secret" in text else text


def restored(text: str, values: Callable[[str], str | None]) -> str:
    """Return text, a view, with today's values where they are known."""
    flat = flattened(text)
    cores = {core: at for core, at in _NEEDLES.items() if core in flat} if any(clue in flat for clue in _CLUES) else {}
    if cores:
        text = recoded(text, cores, lambda inner: restored_text(inner, values))
    if "3c7365637265743" in flat:
        text = _HEX_RUN.sub(lambda found: _restored_hex(found.group(), values), text)
    return restored_text(text, values)


def restored_text(text: str, values: Callable[[str], str | None]) -> str:
    """Return text, whatever it is, with values; in the JSON in it they are escaped."""
    if "secret" not in text:
        return text
    if text.lstrip()[:1] in ("{", "[", '"') and _is_json(text):
        return _JSON_STRING.sub(lambda found: _restored_string(found.group(), values), text)
    if text.startswith(("data:", "event:")):
        return "".join(_restored_line(line, values) for line in text.splitlines(keepends=True))

    def value(found: re.Match[str]) -> str:
        known = values(found[1].replace("%40", "@").replace("%2B", "+").replace("%2b", "+"))
        if known is None:
            return found.group()
        return view(known) if found.group().startswith("<") else quote(known, safe="")

    return ENCODED_PLACEHOLDER.sub(value, text)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _restored_string(token: str, values: Callable[[str], str | None]) -> str:
    if "secret" not in token:
        return token
    seen = view(json.loads(unview(token)))
    new = restored(seen, values)
    return token if new == seen else view(json.dumps(unview(new), ensure_ascii=False))


def _restored_line(line: str, values: Callable[[str], str | None]) -> str:
    start = len("data:") if line.startswith("data:") else 0
    return line[:start] + restored_text(line[start:], values)


def _restored_hex(run: str, values: Callable[[str], str | None]) -> str:
    return view(restored_text(bytes.fromhex(run).decode("latin-1"), values)).encode("latin-1").hex()
