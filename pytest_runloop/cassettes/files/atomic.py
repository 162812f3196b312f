"""Files that are there whole or not at all, with the rights that the user's umask gives."""

from __future__ import annotations

import os
import re
import secrets
import time
from pathlib import Path

_BESIDE = re.compile(r"\..+\.[0-9a-f]{8}")
_LONG_AGO_S = 60


def is_left(path: Path) -> bool:
    """Tell whether a file was to take another's place, and whoever wrote it was killed."""
    return _BESIDE.fullmatch(path.name) is not None and time.time() - path.stat().st_mtime > _LONG_AGO_S


def replace(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new one: beside it, then renamed.

    Raises:
        OSError: It can't be written; what was there stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile, whose files are for this user only: these are shared.
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
