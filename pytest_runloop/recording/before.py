"""What can be told of a cassette without reading it whole."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from pytest_runloop.target import Record, Target

_TARGET = re.compile(rb'"target":\s*"(live|emulator)"')
_HEAD = 4096
_OF_VCRPY = (".yaml", ".yml")


def there_is(path: Path) -> bool:
    """Tell whether there is a cassette, ours or one that plain vcrpy wrote."""
    return path.exists() or any(path.with_suffix(suffix).exists() for suffix in _OF_VCRPY)


def stamp(path: Path) -> tuple[int, int] | None:
    """Return what changes when a cassette is written; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def recorded_target(path: Path) -> str:
    """Return where a cassette was recorded; where anybody can record it, if it does not say so."""
    try:
        with path.open("rb") as file:
            found = _TARGET.search(file.read(_HEAD))
    except OSError:
        found = None
    return found[1].decode() if found else Target.EMULATOR.value


def command(test: str, target: str, *, known: bool) -> str:
    """Return what records a test.

    Args:
        test: Its node id.
        target: Where.
        known: Whether it has a cassette already.
    """
    record = Record.ALL if known else Record.ONCE
    return f"pytest --runloop-target={target} --runloop-record={record.value} {shlex.quote(test)}"
