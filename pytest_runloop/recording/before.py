"""What can be told of a cassette without reading it whole, and what is said of one."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
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


def is_ours(path: Path) -> bool:
    """Tell whether there is a cassette of ours: other tools have theirs at the same places."""
    return _TARGET.search(_head(path)) is not None


def stamp(path: Path) -> tuple[int, int] | None:
    """Return what changes when a cassette is written; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def recorded_target(path: Path) -> str:
    """Return where a cassette was recorded; where anybody can record it, if it does not say so."""
    found = _TARGET.search(_head(path))
    return found[1].decode() if found else Target.EMULATOR.value


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError:
        return b""


def typed(test: str, *, root: Path, here: Path) -> str:
    """Return a node id or a file, which counts from *root*, as a user types it *here*."""
    if here == root or here.anchor != root.anchor:
        return test
    file, mark, name = test.partition("::")
    return f"{os.path.relpath(root / file, here)}{mark}{name}"


def command(tests: Sequence[str], target: str, *, known: bool) -> str:
    """Return what records tests.

    Args:
        tests: Their node ids or files, as a user types them.
        target: Where.
        known: Whether they have cassettes already.
    """
    record = Record.ALL if known else Record.ONCE
    return f"pytest --runloop-target={target} --runloop-record={record.value} {shlex.join(tests)}"


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
