"""The sandbox a test holds: every operation as a plain call, and the ways to the SDKs' own objects."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_runloop.errors import SandboxError
from pytest_runloop.sandbox.aio import AsyncSandbox

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from pytest_runloop.sandbox.operations import Operations
    from pytest_runloop.sandbox.portal import Portal, ThreadLoops
    from pytest_runloop.sandbox.results import ExecResult
    from pytest_runloop.sandbox.runloop.sessions import NativeSandbox
    from pytest_runloop.sandbox.runloop.types import (
        Agent,
        Devbox,
        RunConfig,
        RunResult,
        SandboxSession,
        TResponseInputItem,
    )
    from pytest_runloop.sandbox.shell import Command, PathLike

LISTENER_WAIT_S = 5.0


class Sandbox:
    """A running sandbox.

    Its calls block until they are done. They may be used in any test; in an asynchronous one they hold up its event
    loop, so prefer the same calls of ``aio`` there. Relative paths start at ``root``; absolute ones may lead anywhere
    the account can go.

    Attributes:
        aio: The same calls for asynchronous tests.
    """

    def __init__(self, operations: Operations, native: NativeSandbox, *, portal: Portal, loops: ThreadLoops) -> None:
        """Make a handle; only the provisioner does."""
        self._operations = operations
        self._native = native
        self._portal = portal
        self._loops = loops
        self.aio = AsyncSandbox(operations, native, portal=portal)

    @property
    def devbox_id(self) -> str:
        """The devbox's id."""
        return self._operations.devbox_id

    @property
    def name(self) -> str | None:
        """The devbox's name, if the mark gave one."""
        return self._operations.request.name

    @property
    def root(self) -> str:
        """The workspace root, absolute: where commands run and relative paths start."""
        return self._operations.request.root

    @property
    def user(self) -> str:
        """The account that commands run as."""
        return self._operations.request.account

    @property
    def results(self) -> tuple[ExecResult, ...]:
        """The results of the latest commands (at most 20), oldest first."""
        return tuple(self._operations.results)

    def exec(
        self,
        command: Command,
        *,
        timeout: float | None = None,
        cwd: PathLike | None = None,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        check: bool = False,
    ) -> ExecResult:
        """Run a command and return its result.

        Args:
            command: A shell string, run by ``bash -c``, or an argv.
            timeout: Seconds; by default the mark's ``timeouts["exec_timeout_unbounded_s"]``, which is a day.
            cwd: Directory to run it in instead of ``root``.
            env: Variables to add to the sandbox's environment.
            user: Another account to run it as, by ``sudo``.
            check: Raise if it fails.

        Raises:
            CommandFailed: It ended with another exit code than 0 and *check* is true.
            CommandTimeout: It ran longer than *timeout*; it has been killed with its process group.
            SandboxError: It could not be started, or was lost with its devbox.
        """
        work = self._operations.exec(command, timeout=timeout, cwd=cwd, env=env, user=user, check=check)
        return self._portal.call(work)

    def read_text(self, path: PathLike, *, encoding: str = "utf-8") -> str:
        """Return a file's content as text.

        Raises:
            FileNotFoundError: There is no such file. The error is a SandboxError as well.
        """
        return self.read_bytes(path).decode(encoding)

    def read_bytes(self, path: PathLike) -> bytes:
        """Return a file's content.

        Raises:
            FileNotFoundError: There is no such file. The error is a SandboxError as well.
        """
        return self._portal.call(self._operations.files.read(path))

    def write_text(self, path: PathLike, text: str, *, encoding: str = "utf-8") -> None:
        """Write a text file, making its parent directories and replacing what is there."""
        self.write_bytes(path, text.encode(encoding))

    def write_bytes(self, path: PathLike, data: bytes) -> None:
        """Write a file, making its parent directories and replacing what is there."""
        self._portal.call(self._operations.files.write(path, data))

    def exists(self, path: PathLike) -> bool:
        """Return whether a path leads to something; a dangling link does not."""
        return self._portal.call(self._operations.files.exists(path))

    def listdir(self, path: PathLike = ".") -> list[str]:
        """Return the names in a directory, hidden ones too, sorted.

        Raises:
            FileNotFoundError: There is nothing at *path*.
            NotADirectoryError: It is a file.
        """
        return self._portal.call(self._operations.files.listdir(path))

    def mkdir(self, path: PathLike) -> None:
        """Make a directory and its parents; one that exists is fine."""
        self._portal.call(self._operations.files.mkdir(path))

    def remove(self, path: PathLike) -> None:
        """Remove a file, a link, or a directory with everything in it.

        Raises:
            FileNotFoundError: There is nothing at *path*.
            SpecError: It is ``root``, or a directory that holds it.
        """
        self._portal.call(self._operations.files.remove(path))

    def upload(self, local: str | os.PathLike[str], remote: PathLike) -> None:
        """Copy a local file or directory to exactly *remote*, with modes and times."""
        self._portal.call(self._operations.files.upload(Path(local), remote))

    def download(self, remote: PathLike, local: str | os.PathLike[str]) -> Path:
        """Copy a file's content, or a directory with modes and times, to exactly *local*; return that as a path.

        Raises:
            FileNotFoundError: There is nothing at *remote*.
        """
        self._portal.call(self._operations.files.download(remote, Path(local)))
        return Path(local)

    def archive(self) -> bytes:
        """Return the whole workspace as an uncompressed tar, names relative to ``root``."""
        return self._portal.call(self._operations.files.archive())

    def url(self, port: int, *, wait_s: float = LISTENER_WAIT_S) -> str:
        """Return a URL that reaches an exposed port, without a slash at its end.

        Args:
            port: One of the mark's ``exposed_ports``.
            wait_s: Seconds to wait for something to listen on the port; after that the URL is returned all the same.

        Raises:
            SpecError: The port is not exposed. Nothing was sent.
        """
        return self._portal.call(self._operations.url(port, wait_s=wait_s))

    @property
    def session(self) -> SandboxSession:
        """The Agents SDK's session, for any asyncio loop; the fixture, not the session, ends the devbox."""
        return self._native.session

    @property
    def devbox(self) -> Devbox:
        """The vendor SDK's own synchronous devbox, for other frameworks; its client closes with the sandbox."""
        return self._native.devbox()

    def run_config(self, **fields: Any) -> RunConfig:  # noqa: ANN401 - the fields of the SDK's RunConfig
        """Return the Agents SDK's run configuration for this sandbox, for ``Runner.run`` and its like.

        Args:
            fields: Other fields of ``RunConfig``. A ``sandbox`` among them keeps all but its session. Traces are not
                sent to OpenAI unless ``tracing_disabled=False`` is given.
        """
        return self._native.run_config(fields)

    def run_agent(
        self,
        agent: Agent[Any],
        input: str | list[TResponseInputItem],  # noqa: A002 - the SDK's own name
        **others: Any,  # noqa: ANN401 - the arguments of the SDK's Runner.run
    ) -> RunResult:
        """Run an agent in this sandbox from a synchronous test, in the test's own thread.

        Args:
            agent: What to run; a ``SandboxAgent`` gets this sandbox.
            input: Its input.
            others: Other arguments of ``Runner.run``.

        Raises:
            SandboxError: An event loop runs in this thread, as in an asynchronous test.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._loops.run(self._native.run_agent(agent, input, others))
        message = "run_agent() is for synchronous tests, but an event loop runs here: await sandbox.aio.run_agent(…)"
        raise SandboxError(message)

    def __repr__(self) -> str:
        """Name the devbox."""
        return f"<Sandbox {self.devbox_id} {self.user}:{self.root}>"
