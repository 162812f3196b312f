"""The spellings in which a value can turn up: escaped, quoted, encoded. Pure.

Text is handled as a *view*: UTF-8 bytes read as Latin-1. That costs nothing, keeps positions, and lets binary content
be searched as text is.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, quote_plus

_RUN = re.compile(r"[A-Za-z0-9+/_-]{4,}(?:(?:\r?\n|\\r\\n|\\n)[A-Za-z0-9+/_-]+)*={0,2}")
_BREAK = re.compile(r"(\r?\n|\\r\\n|\\n)")
_LONG_LINE = 24
_QUOTES = r"'\"\\"
_BREAKS = {"\n": "n", "\r": "r", "\t": "t"}
_SHORTEST_WRAP = 16
_STRETCHES = 32


def view(text: str) -> str:
    """Return text as the view on its UTF-8 bytes."""
    return text if text.isascii() else encoded(text).decode("latin-1")


def unview(seen: str) -> str:
    """Return the text again; where it is no UTF-8, with escapes that stand for single bytes."""
    if seen.isascii():
        return seen
    data = seen.encode("latin-1")
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "surrogateescape")


def encoded(text: str) -> bytes:
    """Return text as UTF-8; half characters, which JSON can hold, don't stop it."""
    return text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, kw_only=True)
class Part:
    """What to look for in text as it stands.

    Attributes:
        fragment: Is in every spelling; a search for it is the quickest there is.
        pattern: Every spelling: escaped for JSON or quoted for a shell, to any depth, or encoded for a URL.
    """

    fragment: str
    pattern: str


@dataclass(frozen=True, kw_only=True)
class Spellings:
    """All spellings of one value.

    Attributes:
        parts: The value, and each long line of one that has several.
        base64: The part of a base64 text that is the same whatever surrounds the value → where in its group of four
            characters that part begins.
    """

    parts: tuple[Part, ...]
    base64: dict[str, int]
    hexes: tuple[str, ...]


@lru_cache(maxsize=4096)
def spellings(value: str) -> Spellings:
    """Return the spellings of a value (not a view) that a search has to know."""
    parts = tuple(_parts(value))
    packed = {text for part in parts for text in (part, *_escaped(part), *_url_spellings(part))}
    return Spellings(
        parts=tuple(_part(part) for part in parts),
        base64={core: at for part in sorted(packed) for core, at in _base64_cores(part)},
        hexes=tuple(dict.fromkeys(form for part in parts for form in _hex_spellings(part))),
    )


def flattened(text: str) -> str:
    """Return text without line breaks, real or escaped: wrapped base64 and hex become whole."""
    return text.replace("\\r\\n", "").replace("\\n", "").replace("\n", "").replace("\r", "")


def recoded(text: str, cores: dict[str, int], inner: Callable[[str], str]) -> str:
    """Return text in which the base64 runs that hold one of the cores were decoded, changed and encoded again."""
    return _RUN.sub(lambda run: _recoded_run(run.group(), cores, inner), text)


def _recoded_run(run: str, cores: dict[str, int], inner: Callable[[str], str]) -> str:
    whole = flattened(run) if "\n" in run or "\\" in run else run
    if not [core for core in cores if core in whole]:
        return run
    parts = _BREAK.split(run)
    lines, breaks = parts[::2], [*parts[1::2], ""]
    pieces = []
    at = 0
    while at < len(lines):
        end = _end_of_wrapped(lines, at)
        block, width = lines[at:end], len(lines[at])
        changed = _recoded_flat("".join(block).rstrip("="), cores, inner)
        if changed is not None and len(block) > 1:
            changed = breaks[at].join(changed[one : one + width] for one in range(0, len(changed), width))
        elif changed is None:
            changed = "".join(line + end for line, end in zip(block, [*breaks[at : end - 1], ""], strict=True))
        pieces += [changed, breaks[end - 1]]
        at = end
    return "".join(pieces)


def _end_of_wrapped(lines: list[str], start: int) -> int:
    """Return where a text ends that was wrapped: lines of one length, then one that may be shorter."""
    width, end = len(lines[start]), start + 1
    while width >= _SHORTEST_WRAP and end < len(lines) and len(lines[end]) <= width == len(lines[end - 1]):
        end += 1
    return end


def _recoded_flat(flat: str, cores: dict[str, int], inner: Callable[[str], str]) -> str | None:
    """Return the run changed, always padded, so that a value's length leaves no trace; None if nothing was found."""
    before, padding = flat, ""
    for _ in range(_STRETCHES):
        hits = ((flat.find(core), core, at) for core, at in cores.items() if core in flat)
        changes = (_recoded_stretch(flat, place=place, core=core, at=at, inner=inner) for place, core, at in hits)
        new = next((changed for changed in changes if changed is not None), None)
        if new is None:
            break
        flat = new.rstrip("=")
        padding = new[len(flat) :]
    return None if flat == before else flat + padding


def _recoded_stretch(flat: str, *, place: int, core: str, at: int, inner: Callable[[str], str]) -> str | None:
    """Decode what is of one alphabet around a core; what stands before it may not be base64 at all."""
    low, high, safe = max(
        (_around(flat, place, core, alphabet=alphabet) for alphabet in (_SAFE, _PLAIN)), key=lambda one: one[1] - one[0]
    )
    start = low + (place - at - low) % 4
    high -= (high - start) % 4 == 1
    body = flat[start:high]
    data = base64.b64decode((body + "=" * (-len(body) % 4)).translate(_STANDARD))
    changed = inner(data.decode("latin-1")).encode("latin-1")
    if changed == data:
        return None
    encode = base64.urlsafe_b64encode if safe and ("-" in body or "_" in body) else base64.b64encode
    again = encode(changed).decode()
    return flat[:start] + (again if high == len(flat) else again.rstrip("=") + flat[high:])


def _around(flat: str, place: int, core: str, *, alphabet: re.Pattern[str]) -> tuple[int, int, bool]:
    """Return from where to where text around a core is of one alphabet, and whether that is the one for URLs."""
    if not alphabet.fullmatch(core):
        return place, place, False
    after = alphabet.match(flat, place)
    others = [other.end() for other in _OTHERS[alphabet].finditer(flat, 0, place)]
    return (others[-1] if others else 0), after.end() if after else place, alphabet is _SAFE


_SAFE, _PLAIN = re.compile(r"[A-Za-z0-9_-]+"), re.compile(r"[A-Za-z0-9+/]+")
_OTHERS = {_SAFE: re.compile(r"[+/]"), _PLAIN: re.compile(r"[_-]")}
_STANDARD = str.maketrans("-_", "+/")


def _parts(value: str) -> Iterator[str]:
    """Yield the value, and its long lines: a key of many lines is also printed or wrapped line by line."""
    yield value
    if "\n" in value:
        yield from (line for line in value.split("\n") if len(line) >= _LONG_LINE and not line.startswith("-----"))


def _part(value: str) -> Part:
    fragments = re.findall(r"[A-Za-z0-9_.~-]+", value)
    pattern = re.sub(rf"[{_QUOTES}]+|.", lambda found: _any_spelling(found.group()), value, flags=re.DOTALL)
    return Part(fragment=max(fragments, key=len, default=""), pattern=pattern)


def _any_spelling(piece: str) -> str:
    """Return what a character, or several quotes in a row, can have become."""
    if re.fullmatch(r"[A-Za-z0-9_.~-]", piece):
        return re.escape(piece)
    if piece[0] in "'\"\\":
        return f"(?:[{_QUOTES}]|%27|%22|%5[Cc])+"
    data = encoded(piece)
    in_url = "".join(f"%(?:{byte:02x}|{byte:02X})" for byte in data)
    if piece in _BREAKS:
        return rf"(?:{re.escape(piece)}|\\+{_BREAKS[piece]}|{in_url})"
    as_is = rf"\\*{re.escape(view(piece))}" + (r"|\+" if piece == " " else "")
    units = piece.encode("utf-16-be", "surrogatepass").hex()
    in_json = r"\\+u" + r"\\+u".join(units[at : at + 4] for at in range(0, len(units), 4))
    return f"(?:{as_is}|{in_url}|(?i:{in_json}))"


def _url_spellings(value: str) -> Iterator[str]:
    data = encoded(value)
    for spelled in (quote(data, safe=""), quote(data), quote_plus(data), quote(data, safe="/:@!$&'()*+,;=-._~")):
        yield spelled
        yield re.sub("%[0-9A-F]{2}", lambda found: found.group().lower(), spelled)


def _escaped(value: str) -> tuple[str, str, str]:
    strict = json.dumps(value)[1:-1]
    return strict, json.dumps(value, ensure_ascii=False)[1:-1], strict.replace("/", "\\/")


def _hex_spellings(value: str) -> Iterable[str]:
    spelled = encoded(value).hex()
    return spelled, spelled.upper()


def _base64_cores(value: str) -> Iterator[tuple[str, int]]:
    """Yield for each of the three ways in which a value can lie on groups of three bytes what is always the same."""
    data = encoded(value)
    for lead, start in ((0, 0), (1, 2), (2, 3)):
        whole = base64.b64encode(b"\0" * lead + data).decode()
        core = whole[start : (lead + len(data)) * 8 // 6]
        yield core, start
        yield core.translate(_URLSAFE), start


_URLSAFE = str.maketrans("+/", "-_")
