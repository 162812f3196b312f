"""What can be told of a cassette without reading it whole, and what is said of one."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_runloop.target import Record, Target

if TYPE_CHECKING:
    from pytest_runloop.cassettes.traffic.jobs import Job

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


def told(job: Job, problems: list[str]) -> list[str]:
    """Return what is wrong with a cassette with a head, and with what to do about it."""
    heads = {
        "replay": f"{job.name}: recorded, but not asked for any more:",
        "verify": f"{job.name}: this differs from {job.path}:",
    }
    if not problems or job.mode.value not in heads:
        return problems
    listed = (f"  {line}" for problem in problems for line in problem.splitlines())
    return [heads[job.mode.value], *listed, "  if the change is meant, record again:", f"    {job.command}"]
