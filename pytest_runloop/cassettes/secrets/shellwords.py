"""Words of a shell command, where they stand and what they say. Pure.

No shell: comments and here-documents are read as words too. That is enough to find assignments and options at any depth
of quoting, and a word that isn't changed stays as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_WORD = re.compile(
    r"""(?:<secret:[A-Za-z0-9_.@+-]*>|'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\;&|()<>`])+""",
    re.DOTALL,
)
_PIECE = re.compile(r"""'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)|([^'"\\]+)""", re.DOTALL)
_ACTIVE = re.compile(r"(?<!\\)(?:\\\\)*[$`]")


def changed(text: str, change: Callable[[str, str], str]) -> str:
    """Return text with every word changed.

    Args:
        text: A command, or something that holds commands.
        change: Gets a word and the word before it, both as written; returns the word as it is to be written.
    """
    pieces, at, before = [], 0, ""
    for found in _WORD.finditer(text):
        word = found.group()
        if text[found.end() : found.end() + 1] not in ("(", "`"):  # what is called or run is code
            new = change(word, before)
            if new is not word:
                pieces += [text[at : found.start()], new]
                at = found.end()
        before = word
    return "".join([*pieces, text[at:]]) if pieces else text


def literal(word: str) -> str | None:
    """Return what a word says; None if the shell puts something into it, or if it looks like code."""
    says = []
    for single, double, escaped, bare in _PIECE.findall(word):
        if (double and _ACTIVE.search(double)) or (bare and re.search(r"[$`\[\]{}*?]", bare)):
            return None
        says.append(single or re.sub(r'\\([\\"$`])', r"\1", double) or escaped or bare)
    return "".join(says)
