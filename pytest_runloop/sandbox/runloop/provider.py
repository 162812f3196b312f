"""Devboxes created and ended through the Agents SDK's ``RunloopSandboxClient``."""

from __future__ import annotations

import copy
import json
import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from agents.exceptions import AgentsException
from agents.extensions.sandbox.runloop import RunloopExistingSecret, RunloopSandboxClient, RunloopSandboxSessionState
from agents.sandbox.errors import SandboxError as SdkSandboxError

from pytest_runloop.errors import SandboxError
from pytest_runloop.sandbox import commands
from pytest_runloop.sandbox.boundary import ApiFailure, DevboxApi, Request, Started, StateUnusable
from pytest_runloop.sandbox.labels import with_labels
from pytest_runloop.sandbox.looplocal import LoopLocal
from pytest_runloop.sandbox.runloop.account import KNOWN_BY_LIST, VendorAccount
from pytest_runloop.sandbox.runloop.api import VendorDevbox, failures, open_sdk
from pytest_runloop.sandbox.runloop.checking import Native
from pytest_runloop.sandbox.runloop.sessions import LoopLocalSdk, NativeSandbox
from pytest_runloop.sandbox.runloop.steering import Adopting, FromSnapshot
from pytest_runloop.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agents.extensions.sandbox.runloop import RunloopSandboxClientOptions
    from runloop_api_client.sdk import AsyncRunloopSDK

    from pytest_runloop.target import Endpoint

NEWEST = 100
"""How far back ``find`` looks; it is asked right after a failed creation."""


class RunloopProvider:
    """Create devboxes with the Agents SDK; implements ``boundary.Provider``."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Open a client; call this on the loop that all methods will run on."""
        self.billed = endpoint.target is Target.LIVE
        self._endpoint = endpoint
        self._sdk: LoopLocal[AsyncRunloopSDK] = LoopLocal(
            make=lambda: open_sdk(endpoint), close=lambda sdk: sdk.aclose()
        )
        self.account = VendorAccount(self._sdk, target=endpoint.target)
        self._client = RunloopSandboxClient(bearer_token=endpoint.api_key, base_url=endpoint.base_url)
        # The client can't be told how to connect. Its own connections cost 20 ms each on each of its first eight
        # creations, and it looks for a dead emulator for 27 s.
        self._unused = self._client._sdk  # noqa: SLF001 - see above
        self._client._sdk = LoopLocalSdk(self._sdk)  # noqa: SLF001

    async def create(self, request: Request, *, labels: Mapping[str, str], snapshot_id: str | None = None) -> Started:
        """Create a devbox and wait until it runs."""
        client = self._client if snapshot_id is None else self._steered(FromSnapshot(self._sdk, snapshot_id))
        return await self._started(client, request, labels=labels)

    async def attach(
        self, request: Request, *, labels: Mapping[str, str], devbox_id: str, state: str | None
    ) -> Started:
        """Return an existing devbox as if it had just been created."""
        if state is None:
            return await self._started(self._steered(Adopting(self._sdk, devbox_id)), request, labels=labels)
        known = self._deserialised(state, devbox_id)
        options = _native(request).options
        now = known.model_copy(update={"exposed_ports": options.sdk.exposed_ports, "timeouts": options.timeouts})
        return await self._bound(now, request)

    def serialise(self, started: Started) -> str:
        """Return the session's state as the SDK's client serialises it."""
        return json.dumps(self._client.serialize_session_state(started.native.state))

    async def materialise(self, started: Started, request: Request) -> None:
        """Put the manifest into the workspace; an empty one is left out, which saves eight requests of the SDK."""
        manifest = _native(request).manifest
        with _sdk_failures(self._secrets(_native(request).options.sdk)):
            if request.root != request.home:
                # The SDK's first command runs in the root, before the SDK makes it.
                await _make_directory(started.api, request.root, timeout=request.timeouts.fast_op_s)
            if manifest.entries or manifest.users or manifest.groups:
                await started.native.session.start()

    async def renew(self, started: Started, request: Request) -> None:
        """Put what of the manifest is ephemeral into the workspace, as the SDK does when it resumes."""
        native = _native(request)
        if not any(entry.ephemeral for _, entry in native.manifest.iter_entries()):
            return
        with _sdk_failures(self._secrets(native.options.sdk)):
            # The devbox runs by now, so this only looks at it; and the devbox is not replaced behind our back.
            suspending = started.native.state.model_copy(update={"pause_on_exit": True})
            session = await self._client.resume(suspending)
            if suspending.devbox_id != started.api.devbox_id:
                message = f"the SDK gave devbox {started.api.devbox_id} up and made {suspending.devbox_id}"
                raise ApiFailure(message, status=None)
            await session.start()

    async def release(self, started: Started) -> None:
        """End the devbox as its options say; errors are swallowed by the SDK."""
        await self._client.delete(started.native.session)

    async def find(self, *, label: str, value: str) -> list[DevboxApi]:
        """Return the devboxes with this metadata that have not ended, among the newest."""
        with failures():
            page = await self._sdk.get().api.devboxes.list(limit=NEWEST)
        return [
            VendorDevbox(self._sdk, view.id, target=self._endpoint.target, timeouts=KNOWN_BY_LIST)
            for view in page.devboxes
            if view.metadata.get(label) == value and view.status != "shutdown"
        ]

    async def close(self) -> None:
        """Close the client; the loop's end closes the rest."""
        await self._unused.aclose()

    def close_elsewhere(self) -> None:
        """Close the connections that belong to loops which are not running now."""
        self._sdk.close()

    def _steered(self, sdk: LoopLocalSdk) -> RunloopSandboxClient:
        """Return a client that shares everything with ours but where it makes devboxes."""
        client = copy.copy(self._client)
        client._sdk = sdk  # noqa: SLF001 - as in __init__
        return client

    async def _started(self, client: RunloopSandboxClient, request: Request, *, labels: Mapping[str, str]) -> Started:
        native = _native(request)
        options = native.options.sdk.model_copy(
            update={"metadata": with_labels(native.options.sdk.metadata or {}, labels)}
        )
        with _sdk_failures(self._secrets(options)):
            session = await client.create(manifest=native.manifest, options=options)
        return await self._bound(cast("RunloopSandboxSessionState", session.state), request)

    async def _bound(self, state: RunloopSandboxSessionState, request: Request) -> Started:
        native = _native(request)
        env = {**(native.options.sdk.env_vars or {}), **await native.manifest.environment.resolve()}
        api = VendorDevbox(self._sdk, state.devbox_id, target=self._endpoint.target, timeouts=request.timeouts)
        return Started(api=api, env=env, native=NativeSandbox(state, sdk=self._sdk, endpoint=self._endpoint))

    def _deserialised(self, text: str, devbox_id: str) -> RunloopSandboxSessionState:
        try:
            state = self._client.deserialize_session_state(json.loads(text))
            if not isinstance(state, RunloopSandboxSessionState):
                message = f"it is a {type(state).__name__}"
                raise StateUnusable(message)
            state.assert_path_grants_rebound()
        # pydantic's errors are ValueErrors; the SDK replaces some by its own, which are RuntimeErrors or AgentsErrors.
        except (ValueError, TypeError, RuntimeError, AgentsException, SdkSandboxError) as error:
            raise StateUnusable(str(error)) from error
        if state.devbox_id != devbox_id:
            message = f"it is of devbox {state.devbox_id}"
            raise StateUnusable(message)
        return state

    def _secrets(self, options: RunloopSandboxClientOptions) -> frozenset[str]:
        managed = (options.managed_secrets or {}).values()
        values = {value for value in managed if not isinstance(value, RunloopExistingSecret)}
        return frozenset({*values, self._endpoint.api_key} - {""})


def _native(request: Request) -> Native:
    return cast("Native", request.native)


async def _make_directory(api: DevboxApi, path: str, *, timeout: float) -> None:
    command = shlex.join(["mkdir", "-p", "--", path])
    commands.checked(await commands.run(api, commands.Line(text=command, shown=command), timeout=timeout))


@contextmanager
def _sdk_failures(secrets: frozenset[str]) -> Iterator[None]:
    """Turn the errors of the Agents SDK, the vendor's among them, into ApiFailure without secret values."""
    try:
        with failures():
            yield
    except (ApiFailure, SdkSandboxError, SandboxError) as error:
        text = _words(error)
        status = error.status if isinstance(error, ApiFailure) else None
        clean = _without(text, secrets)
        # The chain would show what the text hides.
        raise ApiFailure(clean, status=status) from (error if clean == text else None)


def _words(error: Exception) -> str:
    if not isinstance(error, SdkSandboxError):
        return str(error)
    told = [error.context.get(key) for key in ("path", "reason", "stderr", "provider_message")]
    details = [str(detail) for detail in told if detail]
    return ": ".join([error.message, *details])


def _without(text: str, secrets: frozenset[str]) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
