"""File operations in a sandbox. They run on the loop of their DevboxApi."""

from __future__ import annotations

import asyncio
import shlex
import uuid
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pytest_runloop.errors import SandboxError, SpecError
from pytest_runloop.sandbox import archives, commands
from pytest_runloop.sandbox.boundary import ApiFailure
from pytest_runloop.sandbox.shell import PathLike, absolute

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_runloop.sandbox.boundary import DevboxApi
    from pytest_runloop.spec import FileSource

NOT_FOUND = 404
MISSING, NOT_A_DIRECTORY, A_DIRECTORY = 91, 92, 93
"""Exit codes of our own scripts, beyond those that common tools use."""
FEW_LINES = 5
"""Of a tool's complaints: tar has some for each file."""


class SandboxFileNotFound(SandboxError, FileNotFoundError):
    """Report a path that does not exist in a sandbox."""


class SandboxNotADirectory(SandboxError, NotADirectoryError):
    """Report a path in a sandbox that is no directory."""


class SandboxIsADirectory(SandboxError, IsADirectoryError):
    """Report a path in a sandbox that is a directory where a file is needed."""


class Files:
    """The file system of one sandbox."""

    def __init__(self, api: DevboxApi, *, root: str, fast_op_s: float, transfer_s: float) -> None:
        """Bind the operations to a devbox.

        Args:
            api: The devbox.
            root: Where relative paths start.
            fast_op_s: Seconds that a small command may take.
            transfer_s: Seconds that packing and unpacking may take.
        """
        self._api = api
        self._root = root
        self._fast_op_s = fast_op_s
        self._transfer_s = transfer_s

    async def read(self, path: PathLike) -> bytes:
        """Return a file's content."""
        target = self._absolute(path)
        try:
            return await self._api.download(target)
        except ApiFailure as failure:
            raise await self._unreadable(target, failure) from failure

    async def write(self, path: PathLike, data: bytes) -> None:
        """Write a file, making its parent directories."""
        target = self._absolute(path)
        data = memoryview(data).tobytes()
        try:
            await self._api.upload(target, data)
        except ApiFailure as refused:
            # Not every server makes the parents of an upload; asking first would cost every write a request.
            await self._script('mkdir -p -- "$1"', str(PurePosixPath(target).parent), doing="write", path=target)
            try:
                await self._api.upload(target, data)
            except ApiFailure as failure:
                problem = self._refused(target, failure, doing="written")
                raise problem from refused

    async def exists(self, path: PathLike) -> bool:
        """Return whether a path leads to something; a dangling link does not."""
        target = self._absolute(path)
        try:
            await self._script(f'[ -e "$1" ] || exit {MISSING}', target, doing="examine", path=target)
        except SandboxFileNotFound:
            return False
        return True

    async def listdir(self, path: PathLike) -> list[str]:
        """Return the names in a directory, hidden ones too, sorted."""
        target = self._absolute(path)
        script = (
            f'[ -e "$1" ] || exit {MISSING}; [ -d "$1" ] || exit {NOT_A_DIRECTORY}; cd -- "$1" || exit 1\n'
            'shopt -s dotglob nullglob; printf "%s\\0" *'
        )
        listed = await self._script(script, target, doing="list", path=target)
        return sorted(name for name in listed.split("\0") if name)

    async def mkdir(self, path: PathLike) -> None:
        """Make a directory and its parents; one that exists is fine."""
        target = self._absolute(path)
        await self._script('mkdir -p -- "$1"', target, doing="make directory", path=target)

    async def remove(self, path: PathLike) -> None:
        """Remove a file, a link, or a directory with everything in it."""
        target = self._absolute(path)
        root = PurePosixPath(self._root)
        if PurePosixPath(target) in (root, *root.parents):
            message = f"remove: {target!r} is or holds the sandbox's root; name what to remove in it"
            raise SpecError(message, field="path")
        script = f'[ -e "$1" ] || [ -L "$1" ] || exit {MISSING}; rm -rf -- "$1"'
        await self._script(script, target, doing="remove", path=target, seconds=self._transfer_s)

    async def upload(self, local: Path, remote: PathLike) -> None:
        """Copy a local file or directory to exactly *remote*, with modes and times."""
        target = self._absolute(remote)
        await self.place({target: local})

    async def place(self, files: Mapping[str, FileSource]) -> None:
        """Put files at absolute paths with two requests, however many there are."""
        data = await asyncio.to_thread(archives.pack, {path.lstrip("/"): source for path, source in files.items()})
        parked = f"/tmp/pytest-runloop-{uuid.uuid4().hex}.tar"  # noqa: S108 - in the sandbox; the name can't be guessed
        await self._api.upload(parked, data)
        # -p: the mode as packed, whatever the umask; -o: the account owns what it unpacks, root as well.
        # A directory that exists (the home, /tmp) keeps its own mode.
        script = 'tar -C / --no-overwrite-dir -xpof "$1"; code=$?; rm -f -- "$1"; exit $code'
        await self._script(script, parked, doing="unpack", path=", ".join(files), seconds=self._transfer_s)

    async def download(self, remote: PathLike, local: Path) -> None:
        """Copy a file or directory of the sandbox to exactly *local*, making its parent directories."""
        target = self._absolute(remote)
        try:
            data = await self.read(target)
        except SandboxIsADirectory:
            await asyncio.to_thread(archives.unpack, await self.archive(target), local)
        else:
            await asyncio.to_thread(archives.save, data, local)

    async def archive(self, path: PathLike = ".") -> bytes:
        """Return everything in a directory as an uncompressed tar; names in it are relative to the directory."""
        target = self._absolute(path)
        parked = f"/tmp/pytest-runloop-{uuid.uuid4().hex}.tar"  # noqa: S108 - in the sandbox; the name can't be guessed
        # Exit code 1 of tar: a file changed while it was read, which a running program's files may.
        script = (
            'cd -- "$1" || exit 1\nshopt -s dotglob nullglob; names=(*)\n'
            'if (( ${#names[@]} )); then tar -cf "$2" -- "${names[@]}"; else tar -cf "$2" -T /dev/null; fi\n'
            'code=$?; (( code > 1 )) || exit 0; rm -f -- "$2"; exit "$code"'
        )
        await self._script(script, target, parked, doing="pack", path=target, seconds=self._transfer_s)
        try:
            return await self._api.download(parked)
        finally:
            await self._script('rm -f -- "$1"', parked, doing="remove", path=parked)

    def _absolute(self, path: PathLike) -> str:
        return absolute(path, root=self._root)

    async def _script(self, script: str, *words: str, doing: str, path: str, seconds: float | None = None) -> str:
        """Run a bash script with arguments and return its output, or raise what its exit code means."""
        line = commands.Line(text=shlex.join(["bash", "-c", script, "bash", *words]), shown=f"{doing} {path}")
        result = await commands.run(self._api, line, timeout=seconds or self._fast_op_s)
        if result.ok:
            return result.stdout
        raise self._failure(result.exit_code, f"{path!r} in devbox {self._api.devbox_id}", doing, result.stderr)

    @staticmethod
    def _failure(exit_code: int, where: str, doing: str, stderr: str) -> SandboxError:
        if exit_code == MISSING:
            return SandboxFileNotFound(f"{where} does not exist; relative paths start at the sandbox's root")
        if exit_code == NOT_A_DIRECTORY:
            return SandboxNotADirectory(f"{where} is not a directory; give one that is")
        if exit_code == A_DIRECTORY:
            return SandboxIsADirectory(f"{where} is a directory; give a file, or use download() for all of it")
        detail = "\n".join(stderr.strip().splitlines()[:FEW_LINES]) or f"exit code {exit_code}"
        return SandboxError(f"{where}: can't {doing}: {detail}; check that the sandbox's account may do that")

    async def _unreadable(self, target: str, failure: ApiFailure) -> SandboxError:
        # The API's own words for these cases are not documented, so the sandbox is asked.
        probe = f'[ -e "$1" ] || exit {MISSING}; [ ! -d "$1" ] || exit {A_DIRECTORY}'
        try:
            await self._script(probe, target, doing="read", path=target)
        except SandboxError as reason:
            return reason
        return self._refused(target, failure, doing="read")

    def _refused(self, target: str, failure: ApiFailure, *, doing: str) -> SandboxError:
        message = f"{target!r} in devbox {self._api.devbox_id} could not be {doing}: {failure}; check its permissions"
        return SandboxError(message)
