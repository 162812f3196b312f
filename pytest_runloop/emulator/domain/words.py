"""Words of a Dockerfile: splitting them, and putting variables into them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = (":-", ":+", ":?", "-", "+", "?")
_SPACES = " \t\n\r"


class BadWord(Exception):
    """Report a word that can't be read."""


def split(text: str) -> list[str]:
    """Split at white space outside quotes. Quotes and backslashes stay."""
    words: list[str] = []
    word, at = "", 0
    while at < len(text):
        if text[at] in _SPACES:
            words += [word] if word else []
            word, at = "", at + 1
            continue
        end = _piece_end(text, at)
        word, at = word + text[at:end], end
    return [*words, word] if word else words


def quoted(text: str, position: int) -> bool:
    """Say whether a position is inside quotes or escaped."""
    at = 0
    while at < position:
        end = _piece_end(text, at)
        if position < end:
            return True
        at = end
    return False


def expand(word: str, variables: Mapping[str, str]) -> str:
    """Put variables in and take quotes away.

    Raises:
        BadWord: A substitution isn't closed, isn't known, or asks for a variable that must be there.
    """
    return "".join(_expanded(word, variables))


def _piece_end(text: str, start: int) -> int:
    """Give the end of the quoted piece, the escaped character or the plain character at a position."""
    if text[start] == "\\":
        return min(start + 2, len(text))
    if text[start] == "'":
        closing = text.find("'", start + 1)
        return len(text) if closing < 0 else closing + 1
    return _double_quoted_end(text, start) if text[start] == '"' else start + 1


def _double_quoted_end(text: str, start: int) -> int:
    at = start + 1
    while at < len(text):
        if text[at] == '"':
            return at + 1
        at += 2 if text[at] == "\\" else 1
    return len(text)


def _expanded(word: str, variables: Mapping[str, str]) -> Iterator[str]:
    at, in_double = 0, False
    while at < len(word):
        character = word[at]
        if character == '"':
            in_double, at = not in_double, at + 1
        elif character == "'" and not in_double:
            end = _piece_end(word, at)
            yield word[at + 1 : end].removesuffix("'")
            at = end
        elif character == "\\" and at + 1 < len(word):
            # Inside double quotes a backslash protects only what would mean something there.
            yield word[at + 1] if not in_double or word[at + 1] in '"$\\' else word[at : at + 2]
            at += 2
        elif character == "$":
            value, at = _substituted(word, at, variables)
            yield value
        else:
            yield character
            at += 1


def _substituted(word: str, dollar: int, variables: Mapping[str, str]) -> tuple[str, int]:
    plain = _NAME.match(word, dollar + 1)
    if plain is not None:
        return variables.get(plain[0], ""), plain.end()
    if not word.startswith("{", dollar + 1):
        return "$", dollar + 1
    end = _closing_brace(word, dollar + 1)
    return _braced(word[dollar + 2 : end], variables), end + 1


def _closing_brace(word: str, opening: int) -> int:
    depth = 0
    for at in range(opening, len(word)):
        depth += {"{": 1, "}": -1}.get(word[at], 0)
        if not depth:
            return at
    raise BadWord(f"{word!r} has a ${{ without its }}")


def _braced(inside: str, variables: Mapping[str, str]) -> str:
    name = _NAME.match(inside)
    if name is None:
        raise BadWord(f"${{{inside}}} names no variable")
    value, rest = variables.get(name[0]), inside[name.end() :]
    operator = next((one for one in _OPERATORS if rest.startswith(one)), None)
    if operator is None:
        if rest:
            raise BadWord(f"${{{inside}}} is a substitution the emulator does not know")
        return value or ""
    there = bool(value) if operator.startswith(":") else value is not None
    alternative = rest[len(operator) :]
    return _choose(operator[-1], value or "", there=there, alternative=alternative, variables=variables)


def _choose(operator: str, value: str, *, there: bool, alternative: str, variables: Mapping[str, str]) -> str:
    if operator == "+":
        return expand(alternative, variables) if there else ""
    if there:
        return value
    if operator == "?":
        raise BadWord(f"a variable that must be given is missing: {alternative}")
    return expand(alternative, variables)
