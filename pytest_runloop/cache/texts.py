"""Small files that many processes read while one replaces them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def make_private(directory: Path) -> None:
    """Make a directory for this user only; a session's state holds an environment, and that may be secret."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)


def replace_text(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old text or the new one: beside it, then renamed."""
    make_private(path.parent)
    descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def text_of(path: Path) -> str:
    """Return a file's text, empty if there is none that can be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
