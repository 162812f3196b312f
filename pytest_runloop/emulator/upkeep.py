"""What a state directory takes, and starting afresh. Standard library only; needs no emulator, and wakes none."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

_KEPT_LOCK = "start.lock"
_BLOCK = 512
"""What st_blocks counts, whatever the file system's own blocks are."""
_AS_SANDBOX_ROOT = ("unshare", "--user", "--map-root-user")
_KINDS = (("devboxes", "devbox"), ("snapshots", "disk snapshot"), ("blueprints", "blueprint"))


class InUse(Exception):
    """Report a state directory that an emulator is using."""


@dataclass(frozen=True, kw_only=True)
class Use:
    """What one thing takes.

    Attributes:
        name: Its id, or a directory's name.
        kind: Such as ``disk snapshot``.
        status: The API's word; empty if it has none.
        size: Bytes on the disk.
    """

    name: str
    kind: str
    status: str
    size: int


def usage(state: Path) -> list[Use]:
    """Return what takes space in a state directory, largest first; empty if there is none."""
    known = _known(state / "emulator.sqlite3")
    disks = [_use(path, known.get(path.name, ("left over", ""))) for path in _inside(state / "disks")]
    others = [_use(path, ("other", "")) for path in _inside(state) if path.name != "disks"]
    everything = [*disks, *(use for use in others if use.size)]
    return sorted(everything, key=lambda use: (-use.size, use.name))


def reset(state: Path) -> int:
    """Delete everything in a state directory and return how many bytes that freed.

    Raises:
        InUse: An emulator is using it; nothing was deleted.
        OSError: Something could not be deleted.
    """
    if not state.is_dir():
        return 0
    lock = os.open(state / _KEPT_LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        # No emulator can start on it while we hold this.
        fcntl.flock(lock, fcntl.LOCK_EX)
        alive = [path for path in _inside(state / "emulators") if _is_locked(path)]
        if alive:
            msg = f"{state} is used by {len(alive)} running emulator(s); end them, or name another directory"
            raise InUse(msg)
        going = [path for path in _inside(state) if path.name != _KEPT_LOCK]
        freed = sum(_size(path) for path in going)
        _remove(going)
        return freed
    finally:
        os.close(lock)


def _known(database: Path) -> dict[str, tuple[str, str]]:
    """Return kind and status by id, as far as the emulator's store can be read."""
    if not database.exists():
        return {}
    known: dict[str, tuple[str, str]] = {}
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as store:
        for table, kind in _KINDS:
            for name, status, document in store.execute(f"SELECT id, status, doc FROM {table}"):  # noqa: S608 - our own names
                known[name] = (_described(kind, json.loads(document)), status)
        for (disk,) in store.execute("SELECT disk FROM layers"):
            known[disk] = ("base of blueprints", "")
    return known


def _described(kind: str, document: dict[str, object]) -> str:
    name = document.get("name")
    return f"{kind} {name}" if isinstance(name, str) and name else kind


def _use(path: Path, known: tuple[str, str]) -> Use:
    kind, status = known
    return Use(name=path.name, kind=kind, status=status, size=_size(path))


def _inside(directory: Path) -> list[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() else []


def _is_locked(path: Path) -> bool:
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _remove(paths: list[Path]) -> None:
    if not paths:
        return
    # An ordinary user owns the files of its sandboxes, but may have locked itself out of them by their modes.
    prefix = () if os.geteuid() == 0 else _AS_SANDBOX_ROOT
    command = [*prefix, "rm", "-rf", "--", *map(str, paths)]
    done = subprocess.run(command, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        msg = f"not everything could be deleted: {done.stderr.decode(errors='replace').strip()}"
        raise OSError(msg)


def _size(path: Path) -> int:
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_blocks * _BLOCK
    try:
        entries = list(path.iterdir())
    except PermissionError:
        return 0  # a directory that the sandbox has closed even to its owner
    return sum(map(_size, entries))
