"""The asynchronous face of a handle: the same operations, awaitable from any asyncio loop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_runloop.sandbox.looplocal import running_loop

if TYPE_CHECKING:
    import os
    from collections.abc import Coroutine, Mapping

    from pytest_runloop.sandbox.operations import Operations
    from pytest_runloop.sandbox.portal import Portal
    from pytest_runloop.sandbox.results import ExecResult
    from pytest_runloop.sandbox.runloop.sessions import NativeSandbox
    from pytest_runloop.sandbox.runloop.types import Agent, AsyncDevbox, RunResult, SandboxSession, TResponseInputItem
    from pytest_runloop.sandbox.shell import Command, PathLike

T = TypeVar("T")

LISTENER_WAIT_S = 5.0


class AsyncSandbox:
    """The calls of ``Sandbox``, to be awaited; each says there what it does and raises.

    Cancelling one cancels the operation. Under trio each raises SandboxError: the Agents SDK needs asyncio.
    """

    def __init__(self, operations: Operations, native: NativeSandbox, *, portal: Portal) -> None:
        """Make the asynchronous face of a handle."""
        self._operations = operations
        self._native = native
        self._portal = portal

    async def exec(
        self,
        command: Command,
        *,
        timeout: float | None = None,
        cwd: PathLike | None = None,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        check: bool = False,
    ) -> ExecResult:
        """Run a command and return its result."""
        work = self._operations.exec(command, timeout=timeout, cwd=cwd, env=env, user=user, check=check)
        return await self._run(work)

    async def read_text(self, path: PathLike, *, encoding: str = "utf-8") -> str:
        """Return a file's content as text."""
        return (await self.read_bytes(path)).decode(encoding)

    async def read_bytes(self, path: PathLike) -> bytes:
        """Return a file's content."""
        return await self._run(self._operations.files.read(path))

    async def write_text(self, path: PathLike, text: str, *, encoding: str = "utf-8") -> None:
        """Write a text file."""
        await self.write_bytes(path, text.encode(encoding))

    async def write_bytes(self, path: PathLike, data: bytes) -> None:
        """Write a file."""
        await self._run(self._operations.files.write(path, data))

    async def exists(self, path: PathLike) -> bool:
        """Return whether a path leads to something."""
        return await self._run(self._operations.files.exists(path))

    async def listdir(self, path: PathLike = ".") -> list[str]:
        """Return the names in a directory."""
        return await self._run(self._operations.files.listdir(path))

    async def mkdir(self, path: PathLike) -> None:
        """Make a directory and its parents."""
        await self._run(self._operations.files.mkdir(path))

    async def remove(self, path: PathLike) -> None:
        """Remove a file, a link, or a directory with everything in it."""
        await self._run(self._operations.files.remove(path))

    async def upload(self, local: str | os.PathLike[str], remote: PathLike) -> None:
        """Copy a local file or directory to exactly *remote*."""
        await self._run(self._operations.files.upload(Path(local), remote))

    async def download(self, remote: PathLike, local: str | os.PathLike[str]) -> Path:
        """Copy a file or directory of the sandbox to exactly *local*."""
        await self._run(self._operations.files.download(remote, Path(local)))
        return Path(local)

    async def archive(self) -> bytes:
        """Return the whole workspace as a tar."""
        return await self._run(self._operations.files.archive())

    async def url(self, port: int, *, wait_s: float = LISTENER_WAIT_S) -> str:
        """Return a URL that reaches an exposed port."""
        return await self._run(self._operations.url(port, wait_s=wait_s))

    @property
    def session(self) -> SandboxSession:
        """The same session as the handle's: it belongs to no loop."""
        return self._native.session

    @property
    def devbox(self) -> AsyncDevbox:
        """The vendor SDK's own asynchronous devbox, for the running loop; its client closes with that loop."""
        running_loop()
        return self._native.async_devbox()

    async def run_agent(
        self,
        agent: Agent[Any],
        input: str | list[TResponseInputItem],  # noqa: A002 - the SDK's own name
        **others: Any,  # noqa: ANN401 - the arguments of the SDK's Runner.run
    ) -> RunResult:
        """Run an agent in this sandbox on the running loop."""
        running_loop()
        return await self._native.run_agent(agent, input, others)

    async def _run(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            running_loop()
        except BaseException:
            work.close()
            raise
        return await self._portal.acall(work)
