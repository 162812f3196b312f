"""What the sandbox room needs of the Runloop API, as a protocol and plain records.

``sandbox.runloop`` implements it with the vendor's client; tests implement it with a fake.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_runloop.blueprint import Blueprint
    from pytest_runloop.sandbox.account import Account
    from pytest_runloop.sandbox.runloop.sessions import NativeSandbox
    from pytest_runloop.spec import FileSource, Setup
    from pytest_runloop.target import Target

Stream = Literal["stdout", "stderr"]


class ApiFailure(Exception):
    """Report a request that was refused or got no answer.

    Attributes:
        status: The HTTP status, or None if there was no answer.
    """

    def __init__(self, message: str, *, status: int | None) -> None:
        super().__init__(message)
        self.status = status


class StateUnusable(Exception):
    """Report a serialised session state that the SDK of this process does not take."""


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
    """A devbox's status, spelled as the API does, and the API's reason for it if it gave one.

    Attributes:
        labels: The devbox's metadata at that moment.
    """

    status: str
    reason: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict, compare=False)

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

    async def suspend(self) -> None:
        """Begin to suspend the devbox."""

    async def resume(self) -> None:
        """Begin to resume the devbox."""

    async def relabel(self, labels: Mapping[str, str]) -> DevboxStatus:
        """Replace the devbox's metadata, all of it."""

    async def snapshot(self, *, name: str, labels: Mapping[str, str]) -> str:
        """Begin a snapshot of the disk and return its id."""

    async def shutdown(self) -> None:
        """Shut the devbox down for good."""

    async def port_url(self, port: int, *, on: Target | None = None) -> str:
        """Return a URL that reaches a port of the devbox, as a target gives it; by default the one in use."""


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
    resume_s: float
    snapshot_s: float


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
        blueprint_name: The blueprint's name, if it is known by one.
        blueprint: What that blueprint is built from, if the test says it.
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
    blueprint_name: str | None = None
    blueprint: Blueprint | None = None


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

    @property
    def account(self) -> Account:
        """What the account keeps between runs."""

    async def create(self, request: Request, *, labels: Mapping[str, str], snapshot_id: str | None = None) -> Started:
        """Create a devbox and wait until it runs.

        Args:
            request: What is wanted.
            labels: Its metadata, beside the user's own.
            snapshot_id: The disk snapshot it starts from instead of its blueprint.

        Raises:
            ApiFailure: It could not be had. One may exist all the same; ``find`` tells.
        """

    async def attach(
        self, request: Request, *, labels: Mapping[str, str], devbox_id: str, state: str | None
    ) -> Started:
        """Return an existing devbox as if it had just been created; nothing is sent.

        Args:
            request: What is wanted; its ports and timeouts count, not those in *state*.
            labels: Its metadata, beside the user's own.
            devbox_id: Which one.
            state: What ``serialise`` gave for it; None makes that anew from the request.

        Raises:
            StateUnusable: The SDK does not take *state*, or it names another devbox.
        """

    def serialise(self, started: Started) -> str:
        """Return the session's state exactly as the SDK's own client serialises it, as JSON."""

    async def materialise(self, started: Started, request: Request) -> None:
        """Put the manifest into the workspace.

        Raises:
            ApiFailure: An entry could not be put there.
        """

    async def renew(self, started: Started, request: Request) -> None:
        """Put what of the manifest is ephemeral into the workspace of a devbox whose disk has the rest.

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
