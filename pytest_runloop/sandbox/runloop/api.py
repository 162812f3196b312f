"""The vendor's async client behind ``boundary.DevboxApi``: one request a method, failures in our own terms."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
from runloop_api_client import APIConnectionError, APIStatusError, RunloopError
from runloop_api_client.lib.polling import PollingTimeout
from runloop_api_client.sdk import AsyncRunloopSDK
from runloop_api_client.types import DevboxAsyncExecutionDetailView, DevboxView

from pytest_runloop.sandbox.boundary import ApiFailure, DevboxStatus, Execution, Stream, Timeouts
from pytest_runloop.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_runloop.sandbox.looplocal import LoopLocal
    from pytest_runloop.target import Endpoint

ANSWER_BUFFER_S = 5.0
"""Seconds the client waits beyond a long poll, so that the server's own 408 comes first."""

LONGEST_STATUS_POLL_S = 30.0
REQUEST_TIMEOUT = 408


def open_sdk(endpoint: Endpoint) -> AsyncRunloopSDK:
    """Return a client for the running loop; the caller closes it there."""
    if endpoint.target is not Target.REPLAY and not endpoint.base_url.startswith("http://"):
        return AsyncRunloopSDK(bearer_token=endpoint.api_key, base_url=endpoint.base_url)
    # The vendor's own client opens up to 26 transports and loads the system's certificates for each (20 ms). Over
    # plain HTTP and in a replay no certificate is looked at, and this context would trust none.
    transport = httpx.AsyncHTTPTransport(
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
    )
    return AsyncRunloopSDK(
        bearer_token=endpoint.api_key,
        base_url=endpoint.base_url,
        http_client=httpx.AsyncClient(transport=transport, base_url=endpoint.base_url),
        # A local server that does not answer is gone; five retries would hide that for half a minute.
        max_retries=1,
    )


@contextmanager
def failures() -> Iterator[None]:
    """Turn the vendor's errors into ApiFailure."""
    try:
        yield
    except APIStatusError as error:
        message = f"HTTP {error.status_code}: {_words(error)}"
        raise ApiFailure(message, status=error.status_code) from error
    except APIConnectionError as error:
        message = f"no answer from {error.request.url}: {error}"
        raise ApiFailure(message, status=None) from error
    except (RunloopError, PollingTimeout) as error:
        raise ApiFailure(str(error), status=None) from error


class VendorDevbox:
    """One devbox's routes, on whatever loop they are awaited."""

    def __init__(self, sdk: LoopLocal[AsyncRunloopSDK], devbox_id: str, *, target: Target, timeouts: Timeouts) -> None:
        """Bind the routes to a devbox."""
        self.devbox_id = devbox_id
        self.billed = target is Target.LIVE
        self._sdk = sdk
        self._target = target
        self._timeouts = timeouts

    async def start(self, command: str) -> Execution:
        """Start a command and return at once."""
        with failures():
            view = await self._api.devboxes.execute_async(
                self.devbox_id, command=command, timeout=self._timeouts.fast_op_s
            )
        return _execution(view)

    async def wait(self, execution_id: str, *, seconds: float) -> Execution | None:
        """Return the execution once it has completed, or None after *seconds*."""
        path = f"/v1/devboxes/{self.devbox_id}/executions/{execution_id}/wait_for_status"
        view = await self._long_poll(path, ["completed"], DevboxAsyncExecutionDetailView, seconds=seconds)
        return _execution(view) if view is not None and view.status == "completed" else None

    async def kill(self, execution_id: str) -> None:
        """Kill a command with its process group."""
        with failures():
            await self._api.devboxes.executions.kill(
                execution_id, devbox_id=self.devbox_id, kill_process_group=True, timeout=self._timeouts.fast_op_s
            )

    async def output(self, execution_id: str, stream: Stream) -> str:
        """Return everything an ended command wrote to one stream."""
        executions = self._api.devboxes.executions
        reader = executions.stream_stdout_updates if stream == "stdout" else executions.stream_stderr_updates
        with failures():
            async with await reader(execution_id, devbox_id=self.devbox_id) as chunks:
                return "".join([chunk.output async for chunk in chunks])

    async def upload(self, path: str, data: bytes) -> None:
        """Write a file; an existing one is replaced."""
        with failures():
            await self._api.devboxes.upload_file(self.devbox_id, path=path, file=data, timeout=self._timeouts.upload_s)

    async def download(self, path: str) -> bytes:
        """Return a file's bytes."""
        with failures():
            answer = await self._api.devboxes.download_file(
                self.devbox_id, path=path, timeout=self._timeouts.download_s
            )
            data: bytes = await answer.read()
            return data

    async def status(self) -> DevboxStatus:
        """Return the devbox's status."""
        with failures():
            return devbox_status(await self._api.devboxes.retrieve(self.devbox_id, timeout=self._timeouts.fast_op_s))

    async def await_status(self, *statuses: str, seconds: float) -> DevboxStatus:
        """Return the status once it is one of *statuses*, or whatever it is after *seconds*."""
        path = f"/v1/devboxes/{self.devbox_id}/wait_for_status"
        left = seconds
        while left > 0:
            hold = min(left, LONGEST_STATUS_POLL_S)
            view = await self._long_poll(path, list(statuses), DevboxView, seconds=hold)
            if view is not None:
                return devbox_status(view)
            left -= hold
        return await self.status()

    async def suspend(self) -> None:
        """Begin to suspend the devbox."""
        with failures():
            await self._api.devboxes.suspend(self.devbox_id, timeout=self._timeouts.suspend_s)

    async def resume(self) -> None:
        """Begin to resume the devbox."""
        with failures():
            await self._api.devboxes.resume(self.devbox_id, timeout=self._timeouts.resume_s)

    async def relabel(self, labels: Mapping[str, str]) -> DevboxStatus:
        """Replace the devbox's metadata, all of it."""
        with failures():
            return devbox_status(
                await self._api.devboxes.update(self.devbox_id, metadata=dict(labels), timeout=self._timeouts.fast_op_s)
            )

    async def snapshot(self, *, name: str, labels: Mapping[str, str]) -> str:
        """Begin a snapshot of the disk and return its id."""
        with failures():
            view = await self._api.devboxes.snapshot_disk_async(
                self.devbox_id, name=name, metadata=dict(labels), timeout=self._timeouts.snapshot_s
            )
        return str(view.id)

    async def shutdown(self) -> None:
        """Shut the devbox down for good."""
        with failures():
            await self._api.devboxes.shutdown(self.devbox_id, timeout=self._timeouts.cleanup_s)

    async def port_url(self, port: int, *, on: Target | None = None) -> str:
        """Return a URL that reaches a port of the devbox."""
        if (on or self._target) is Target.EMULATOR:
            path = f"/_emulator/devboxes/{self.devbox_id}/ports/{port}"
            with failures():
                answer: Any = await self._api.post(path, cast_to=object)
            return str(answer["url"])
        with failures():
            return await self._tunnel_url(port)

    async def _tunnel_url(self, port: int) -> str:
        # As the Agents SDK does it: one open tunnel covers every port.
        devbox = self._sdk.get().devbox.from_id(self.devbox_id)
        seconds = self._timeouts.fast_op_s
        url = await devbox.get_tunnel_url(port, timeout=seconds)
        if url is None:
            await devbox.net.enable_tunnel(auth_mode="open", http_keep_alive=True, wake_on_http=False, timeout=seconds)
            url = await devbox.get_tunnel_url(port, timeout=seconds)
        if url is None:
            message = f"the tunnel of devbox {self.devbox_id} was enabled but has no URL"
            raise ApiFailure(message, status=None)
        return url

    @property
    def _api(self) -> Any:  # noqa: ANN401 - SDK boundary: AsyncRunloop; its TypedDicts are not ours to satisfy
        return self._sdk.get().api

    async def _long_poll(self, path: str, statuses: list[str], view: type[Any], *, seconds: float) -> Any:  # noqa: ANN401
        # Not await_completed and its like: they stop at 120 s and spin when the server is gone.
        options = {"max_retries": 0, "timeout": seconds + ANSWER_BUFFER_S}
        body = {"statuses": statuses, "timeout_seconds": seconds}
        try:
            with failures():
                return await self._api.post(path, body=body, cast_to=view, options=options)
        except ApiFailure as failure:
            if failure.status == REQUEST_TIMEOUT:
                return None
            raise


def _execution(view: DevboxAsyncExecutionDetailView) -> Execution:
    cut: list[Stream] = []
    if view.stdout_truncated:
        cut.append("stdout")
    if view.stderr_truncated:
        cut.append("stderr")
    return Execution(
        id=view.execution_id,
        completed=view.status == "completed",
        exit_code=view.exit_status,
        stdout=view.stdout or "",
        stderr=view.stderr or "",
        truncated=frozenset(cut),
    )


def devbox_status(view: DevboxView) -> DevboxStatus:
    """Return what a view says of a devbox's status."""
    return DevboxStatus(view.status, view.failure_reason or view.shutdown_reason, labels=view.metadata)


def _words(error: APIStatusError) -> str:
    body = error.body
    if isinstance(body, dict):
        words = body.get("message") or body.get("error")
        if isinstance(words, str):
            return words
    return str(error.message)
