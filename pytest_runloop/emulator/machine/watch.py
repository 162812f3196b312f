"""Keep a sandbox within its memory and its number of processes.

The kernel's own limits stand behind it: a process count for each account, sizes for memory file systems, and the
first place in the queue when the computer runs out of memory. This watch ends the whole sandbox before they bite.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass

_BUSY_SECONDS = 0.1
_IDLE_SECONDS = 1.0
_PAGE = os.sysconf("SC_PAGE_SIZE")
_NEARLY_ALL = 0.9
"""Part of the process limit that means it is reached: the kernel's limit counts threads as well."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one sandbox may use.

    Attributes:
        memory_bytes: Private memory of all its processes together.
        pids: Processes and threads of one account.
    """

    memory_bytes: int
    pids: int


async def exceeded(proc: int, limits: Limits, *, idle: asyncio.Event) -> str:
    """Watch a sandbox's /proc until a limit is exceeded, and say which one.

    Args:
        proc: A directory descriptor of the sandbox's /proc; the caller closes it.
        limits: What to hold it to.
        idle: Set while no command runs, which makes the watch look less often.

    Returns:
        ``out_of_memory`` or ``too_many_processes``.
    """
    crowded = 0
    while True:
        await asyncio.sleep(_IDLE_SECONDS if idle.is_set() else _BUSY_SECONDS)
        pids = [name for name in os.listdir(proc) if name.isdigit()]
        # Twice in a row, since a crowd may be about to leave.
        crowded = crowded + 1 if len(pids) >= limits.pids * _NEARLY_ALL else 0
        if crowded > 1:
            return "too_many_processes"
        if _resident(proc, pids) > limits.memory_bytes and _proportional(proc, pids) > limits.memory_bytes:
            return "out_of_memory"


def _resident(proc: int, pids: list[str]) -> int:
    """Sum private resident memory: quick, but pages that forked processes still share count for each of them."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, IndexError):
            fields = _read(proc, f"{pid}/statm").split()
            total += int(fields[1]) - int(fields[2])
    return total * _PAGE


def _proportional(proc: int, pids: list[str]) -> int:
    """Sum memory with shared pages split between their users: exact, but the kernel has to walk them."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in _read(proc, f"{pid}/smaps_rollup").splitlines():
                if line.startswith(b"Pss_Anon:"):
                    total += int(line.split()[1]) * 1024
    return total


def _read(proc: int, path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY, dir_fd=proc)
    try:
        return os.read(descriptor, 1 << 16)
    finally:
        os.close(descriptor)
