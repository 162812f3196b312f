"""What the sandbox room needs of the Runloop API, as a protocol and plain records.

``sandbox.runloop`` implements it with the vendor's client; tests implement it with a fake.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_runloop.sandbox.runloop.sessions import NativeSandbox
    from pytest_runloop.spec import FileSource, Setup

Stream = Literal["stdout", "stderr"]


class ApiFailure(Exception):
    """Report a request that was refused or got no answer.

    Attributes:
        status: The HTTP status, or None if there was no answer.
    """

    def __init__(self, message: str, *, status: int | None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Execution:
    """One command as the API sees it now.

    Attributes:
        id: The execution's id.
        completed: Whether it has ended.
        exit_code: None while it runs, and when it was lost with its devbox.
        stdout: The last lines of its standard output.
        stderr: The last lines of its standard error.
        truncated: The streams of which earlier lines are missing here.
    """

    id: str
    completed: bool
    exit_code: int | None
    stdout: str
    stderr: str
    truncated: frozenset[Stream]


@dataclass(frozen=True)
class DevboxStatus:
    """A devbox's status, spelled as the API does, and the API's reason for it if it gave one."""

    status: str
    reason: str | None = None

    def __str__(self) -> str:
        """Return it for a message."""
        return f"'{self.status}' ({self.reason})" if self.reason else f"'{self.status}'"


class DevboxApi(Protocol):
    """One devbox's routes. Every method may raise ApiFailure.

    Attributes:
        devbox_id: Which one.
        billed: Whether somebody pays for it as long as it exists.
    """

    devbox_id: str
    billed: bool

    async def start(self, command: str) -> Execution:
        """Start a command and return at once."""

    async def wait(self, execution_id: str, *, seconds: float) -> Execution | None:
        """Return the execution once it has completed, or None after *seconds* (at most 25)."""

    async def kill(self, execution_id: str) -> None:
        """Kill a command with its process group."""

    async def output(self, execution_id: str, stream: Stream) -> str:
        """Return everything an ended command wrote to one stream."""

    async def upload(self, path: str, data: bytes) -> None:
        """Write a file; an existing one is replaced."""

    async def download(self, path: str) -> bytes:
        """Return a file's bytes; status 404 if it does not exist."""

    async def status(self) -> DevboxStatus:
        """Return the devbox's status; status 404 if nobody knows it."""

    async def await_status(self, *statuses: str, seconds: float) -> DevboxStatus:
        """Return the status once it is one of *statuses*, or whatever it is after *seconds*."""

    async def shutdown(self) -> None:
        """Shut the devbox down for good."""

    async def port_url(self, port: int) -> str:
        """Return a URL that reaches a port of the devbox."""


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """The seconds that operations of one sandbox may take, from the mark's ``timeouts``."""

    exec_s: float
    create_s: float
    cleanup_s: float
    fast_op_s: float
    upload_s: float
    download_s: float
    suspend_s: float


@dataclass(frozen=True, kw_only=True)
class Request:
    """A spec that was found possible, in the form provisioning needs.

    Attributes:
        test: The node id of the first test that asked.
        native: What the provider made of options and manifest; nobody else looks into it.
        name: The devbox's name, if it has one.
        account: The account commands run as.
        root: The workspace root, absolute.
        home: The account's home; the root is in it.
        exposed_ports: Ports that ``url()`` may be asked for.
        pause_on_exit: Whether the devbox is suspended at the end rather than deleted.
        files: Absolute sandbox path to content; local paths are absolute and exist.
        setup: What runs once the files are there.
        timeouts: Seconds.
    """

    test: str
    native: object
    name: str | None
    account: str
    root: str
    home: str
    exposed_ports: tuple[int, ...]
    pause_on_exit: bool
    files: Mapping[str, FileSource]
    setup: Setup
    timeouts: Timeouts


@dataclass(frozen=True, kw_only=True)
class Started:
    """A devbox that was created.

    Attributes:
        api: Its routes.
        env: The environment its commands run in, options and manifest together.
        native: What the SDKs offer for it; closed when the devbox has ended.
    """

    api: DevboxApi
    env: Mapping[str, str]
    native: NativeSandbox


class Provider(Protocol):
    """Where devboxes come from. All methods run on one event loop.

    Attributes:
        billed: Whether somebody pays for them as long as they exist.
    """

    billed: bool

    async def create(self, request: Request, *, labels: Mapping[str, str]) -> Started:
        """Create a devbox and wait until it runs.

        Raises:
            ApiFailure: It could not be had. One may exist all the same; ``find`` tells.
        """

    async def materialise(self, started: Started, request: Request) -> None:
        """Put the manifest into the workspace.

        Raises:
            ApiFailure: An entry could not be put there.
        """

    async def release(self, started: Started) -> None:
        """End the devbox as its options say: suspend or shut down. Errors are swallowed; verify afterwards."""

    async def find(self, *, label: str, value: str) -> list[DevboxApi]:
        """Return the devboxes with this metadata that are not shut down, as far as the newest hundred tell."""

    async def close(self) -> None:
        """Close the connections of this loop."""

    def close_elsewhere(self) -> None:
        """Close the connections that belong to other loops; called once this loop has ended."""
