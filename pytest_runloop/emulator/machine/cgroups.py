"""Control groups of its own for a sandbox that runs Docker, which can't run a container without.

Only root can give them away. They hold no limits of ours: `watch` bounds every sandbox, wherever it runs.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from pytest_runloop.emulator.machine.namespaces import FIRST_HOST_ID

_MOUNTS = Path("/proc/self/mountinfo")
_INHERITED = ("cpuset.cpus", "cpuset.mems")
"""A version 1 group takes no process before these are set."""
_REMOVE_SECONDS = 2.0
_PREFIX = "pytest-runloop-"


@dataclass(frozen=True, kw_only=True)
class Cgroups:
    """Groups that belong to one sandbox's root.

    Attributes:
        binds: Host directory and the place in the sandbox where it must be mounted.
        procs: Files that a process must be written to before it joins the sandbox.
    """

    binds: tuple[tuple[str, str], ...]
    procs: tuple[str, ...]

    def remove(self) -> None:
        """Delete the groups of a sandbox that has just ended.

        Raises:
            OSError: One is still in use.
        """
        for source, _ in self.binds:
            for directory, _, _ in os.walk(source, topdown=False):
                _rmdir(Path(directory))


def delegate(name: str) -> Cgroups:
    """Make groups for one sandbox, one in each hierarchy of this computer.

    Raises:
        OSError: They can't be made here; nothing is left of them.
    """
    _remove_leftovers()
    # Never the same twice: a disk's next machine may come before the groups of its last one have gone.
    own = f"{_PREFIX}{os.getpid()}-{name}-{secrets.token_hex(4)}"
    hierarchies = [row for row in map(str.split, _MOUNTS.read_text(encoding="utf-8").splitlines()) if _is_cgroup(row)]
    made = Cgroups(
        binds=tuple((f"{row[4]}/{own}", row[4]) for row in hierarchies),
        procs=tuple(f"{row[4]}/{own}/cgroup.procs" for row in hierarchies),
    )
    try:
        for source, _ in made.binds:
            _make(Path(source))
    except OSError:
        made.remove()
        raise
    return made


def _make(group: Path) -> None:
    group.mkdir()
    for name in _INHERITED:
        if (group.parent / name).exists():
            (group / name).write_text((group.parent / name).read_text(encoding="ascii"), encoding="ascii")
    for path in (group, *group.iterdir()):
        os.chown(path, FIRST_HOST_ID, FIRST_HOST_ID)


def _remove_leftovers() -> None:
    """Delete the groups that an emulator has left which was killed."""
    root = Path("/sys/fs/cgroup")
    for group in (*root.glob(f"{_PREFIX}*"), *root.glob(f"*/{_PREFIX}*")):
        pid = group.name.removeprefix(_PREFIX).split("-")[0]
        if not Path("/proc", pid).exists():
            with contextlib.suppress(OSError):  # another emulator is just doing the same
                Cgroups(binds=((str(group), ""),), procs=()).remove()


def _rmdir(group: Path) -> None:
    # The kernel frees a group a moment after its last process.
    deadline = time.monotonic() + _REMOVE_SECONDS
    while group.exists():
        with contextlib.suppress(FileNotFoundError):
            try:
                group.rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)


def _is_cgroup(row: list[str]) -> bool:
    return _kind(row) in {"cgroup", "cgroup2"} and row[4].startswith("/sys/fs/cgroup")


def _kind(row: list[str]) -> str:
    return row[row.index("-") + 1]
