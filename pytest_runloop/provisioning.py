"""From a spec to a running sandbox and back to nothing.

Every devbox that is created is ended and *verified* as ended, whatever happens in between: a silent failure here is a
machine somebody pays for.
"""

from __future__ import annotations

import inspect
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_runloop.errors import ProvisioningError, SandboxError
from pytest_runloop.sandbox import creation, ending, labels
from pytest_runloop.sandbox.boundary import ApiFailure
from pytest_runloop.sandbox.handle import Sandbox
from pytest_runloop.sandbox.operations import Operations
from pytest_runloop.sandbox.portal import Portal, ThreadLoops

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_runloop.sandbox.boundary import Provider, Request, Started
    from pytest_runloop.spec import SandboxSpec
    from pytest_runloop.target import Endpoint


class Provisioner:
    """Provide sandboxes; one per process.

    Attributes:
        run: What the devboxes of one pytest run are labelled with.
        created: How many devboxes were created.
        deleted: How many were verified as gone.
        suspended: How many were verified as suspended, because the mark said ``pause_on_exit``.
        left_behind: The ids of those that could not be verified as either.
    """

    def __init__(
        self, endpoint: Endpoint, *, run: str = "", open_provider: Callable[[Endpoint], Provider] | None = None
    ) -> None:
        """Make a provisioner; it imports no SDK and starts no thread before it is used.

        Args:
            endpoint: Where the API is.
            run: Names the pytest run in the devboxes' labels; made up if left out.
            open_provider: Makes the provider on the portal's loop; by default the Agents SDK's Runloop client.
        """
        self.run = run or uuid.uuid4().hex[:12]
        self.created = 0
        self.deleted = 0
        self.suspended = 0
        self._endpoint = endpoint
        self._open = open_provider or _open_runloop
        self._portal = Portal("pytest-runloop")
        self._loops = ThreadLoops()
        self._provider: Provider | None = None
        self.left_behind: tuple[str, ...] = ()
        self._alive: dict[str, tuple[Started, Request]] = {}

    def check(self, spec: SandboxSpec) -> None:
        """Refuse a spec that can't be met, before anything is provisioned.

        Raises:
            SpecError: The message names the test, the field and what would be right.
        """
        _request(spec)

    @contextmanager
    def provide(self, spec: SandboxSpec) -> Iterator[Sandbox]:
        """Create a sandbox with its files and set-up, and end it afterwards.

        Raises:
            SpecError: The spec can't be met. Nothing was created.
            ProvisioningError: The sandbox could not be made ready. What had been created is deleted.
            TeardownError: The devbox could not be verified as deleted (or suspended); its id is in ``left_behind``.
        """
        request = _request(spec)
        started = self._create(request)
        try:
            sandbox = self._made_ready(started, request)
        except BaseException:
            # Deleted even under pause_on_exit: nobody ever held it.
            self._end(started, request, suspend=False)
            raise
        try:
            yield sandbox
        finally:
            self._end(started, request, suspend=request.pause_on_exit)

    def close(self) -> None:
        """End what is still there, then the client, the thread and its loop. Idempotent.

        Raises:
            TeardownError: A devbox could not be verified as ended.
        """
        try:
            for started, request in list(self._alive.values()):
                self._end(started, request, suspend=False)
        finally:
            provider, self._provider = self._provider, None
            if provider is not None:
                self._portal.finish(provider.close())
                self._portal.close()
                provider.close_elsewhere()
            self._loops.close()

    def _create(self, request: Request) -> Started:
        marks = labels.labels_for(test=request.test, run=self.run, sandbox=uuid.uuid4().hex)
        started = self._portal.call(self._created(request, marks))
        self.created += 1
        return started

    async def _created(self, request: Request, marks: dict[str, str]) -> Started:
        started = await creation.create(self._opened(), request, marks=marks)
        self._alive[started.api.devbox_id] = (started, request)
        return started

    def _made_ready(self, started: Started, request: Request) -> Sandbox:
        operations = Operations(request, started)
        with _not_ready(request, started):
            self._portal.call(self._filled(started, request, operations))
            sandbox = Sandbox(operations, started.native, portal=self._portal, loops=self._loops)
            if not callable(request.setup):
                for command in request.setup:
                    sandbox.exec(command, check=True)
        if callable(request.setup):
            outcome = request.setup(sandbox)
            if inspect.iscoroutine(outcome):
                self._portal.call(outcome)
        return sandbox

    async def _filled(self, started: Started, request: Request, operations: Operations) -> None:
        await self._opened().materialise(started, request)
        if request.files:
            await operations.files.place(request.files)

    def _end(self, started: Started, request: Request, *, suspend: bool) -> None:
        if self._alive.pop(started.api.devbox_id, None) is None:
            # close() was first.
            return
        try:
            self._portal.finish(self._ended(started, request, suspend=suspend))
        finally:
            started.native.close()

    async def _ended(self, started: Started, request: Request, *, suspend: bool) -> None:
        limits, devbox_id = request.timeouts, started.api.devbox_id
        # Until it is proven otherwise; counted here because all of this runs in one thread.
        self.left_behind = (*self.left_behind, devbox_id)
        if suspend == request.pause_on_exit:
            await self._opened().release(started)
        if suspend:
            await ending.verify_suspended(started.api, seconds=limits.suspend_s)
            self.suspended += 1
        else:
            await ending.delete(started.api, seconds=limits.cleanup_s)
            self.deleted += 1
        self.left_behind = tuple(other for other in self.left_behind if other != devbox_id)

    def _opened(self) -> Provider:
        # Only on the portal: the provider's client belongs to its loop.
        if self._provider is None:
            self._provider = self._open(self._endpoint)
        return self._provider


@contextmanager
def _not_ready(request: Request, started: Started) -> Iterator[None]:
    """Say of which test a sandbox could not be made ready."""
    try:
        yield
    except (ApiFailure, SandboxError) as error:
        message = (
            f"{request.test}: the sandbox could not be made ready (devbox {started.api.devbox_id}, deleted now); "
            f"check the mark's manifest, files and setup: {error}"
        )
        raise ProvisioningError(message) from error


def _request(spec: SandboxSpec) -> Request:
    from pytest_runloop.sandbox.runloop.checking import check

    return check(spec)


def _open_runloop(endpoint: Endpoint) -> Provider:
    from pytest_runloop.sandbox.runloop.provider import RunloopProvider

    return RunloopProvider(endpoint)
