"""Disks: what a sandbox has changed, kept as overlay directories beside each other.

A disk ``NAME`` is a directory with ``up/TREE`` (the changes to one tree), ``work/TREE`` (overlayfs's own) and ``base``
(the names of the disks it stands on, lowest first, one a line). A snapshot is a disk that nobody writes to any more.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

_COPY = ("cp", "--archive", "--reflink=auto", "--")
_REMOVE = ("rm", "-rf", "--")
_REMOVED = "removed"
_PARTIAL = ".partial"
_AS_SANDBOX_ROOT = ("unshare", "--user", "--map-root-user")
"""An ordinary host user owns its sandboxes' files, but may have locked itself out of them by their modes."""


class Disks:
    """The disks under one directory. Names are unique and are never used twice."""

    def __init__(self, directory: Path, trees: Sequence[str], *, owner: int | None = None) -> None:
        """Take the trees that every disk has, and the host uid of the sandboxes' root if it isn't our own."""
        self._directory = directory
        self._trees = trees
        self._owner = owner
        self._prefix = _AS_SANDBOX_ROOT if owner is None else ()
        directory.mkdir(parents=True, exist_ok=True)

    async def create(self, disk: str, *, base: str | None = None) -> None:
        """Make an empty disk, or one that starts as a snapshot is. Takes no longer for a large one."""
        lowers = [] if base is None else [*self.lowers(base), base]
        self._lay_out(self.path(disk), lowers)

    async def snapshot(self, disk: str, name: str) -> int:
        """Copy a disk's changes under a new name; the disk may be in use (the copy is as after a power cut).

        Returns:
            The bytes that the copy takes.

        Raises:
            OSError: The copy failed; nothing is left of it.
        """
        beside = self._partial(name)
        try:
            self._lay_out(beside, self.lowers(disk))
            await self._do(*_COPY, str(self.path(disk) / "up") + "/.", str(beside / "up"))
            size = await asyncio.get_running_loop().run_in_executor(None, _size, beside / "up")
            beside.rename(self.path(name))
        except BaseException:
            await self._do(*_REMOVE, str(beside))
            raise
        return size

    async def remove(self, disk: str) -> None:
        """Delete a disk; nothing if there is none. One that others stand on goes with the last of them."""
        if self._partial(disk).exists():
            await self._do(*_REMOVE, str(self._partial(disk)))
        if not self.path(disk).exists():
            return
        (self.path(disk) / _REMOVED).touch()
        while unused := self._unused():
            await self._do(*_REMOVE, *(str(self.path(name)) for name in unused))

    def names(self) -> frozenset[str]:
        """List the disks that are there, also those that were never finished."""
        whole = frozenset(name for name in self._all() if not (self.path(name) / _REMOVED).exists())
        return whole | {path.name[1 : -len(_PARTIAL)] for path in self._directory.glob(f".*{_PARTIAL}")}

    def path(self, disk: str) -> Path:
        """Give a disk's directory."""
        return self._directory / disk

    def lowers(self, disk: str) -> list[str]:
        """Give the names of the disks that a disk stands on, lowest first."""
        try:
            return (self.path(disk) / "base").read_text(encoding="ascii").split()
        except FileNotFoundError:
            return []  # another emulator is deleting this one right now

    def _partial(self, disk: str) -> Path:
        return self._directory / f".{disk}{_PARTIAL}"

    def _all(self) -> list[str]:
        return [path.name for path in self._directory.iterdir() if not path.name.startswith(".")]

    def _unused(self) -> list[str]:
        names = self._all()
        needed = {lower for name in names for lower in self.lowers(name)}
        return [name for name in names if name not in needed and (self.path(name) / _REMOVED).exists()]

    def _lay_out(self, path: Path, lowers: Sequence[str]) -> None:
        for tree in self._trees:
            (path / "up" / tree).mkdir(parents=True)
            (path / "work" / tree).mkdir(parents=True)
            if self._owner is not None:
                os.chown(path / "up" / tree, self._owner, self._owner)
                os.chown(path / "work" / tree, self._owner, self._owner)
        (path / "base").write_text("\n".join(lowers), encoding="ascii")

    async def _do(self, *command: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *self._prefix, *command, stderr=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
        )
        _, errors = await process.communicate()
        if process.returncode:
            msg = f"{command[0]} of {command[-1]} failed: {errors.decode(errors='replace').strip()}"
            raise OSError(msg)


def _size(directory: Path) -> int:
    return sum(entry.stat(follow_symlinks=False).st_size for entry in _files(directory))


def _files(directory: Path) -> Iterator[os.DirEntry[str]]:
    try:
        entries = list(os.scandir(directory))
    except PermissionError:
        return  # a directory that the sandbox has closed even to its owner
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path))
        else:
            yield entry
