"""The SDKs' own objects over a devbox that a fixture owns: session, devboxes, and agents run in it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from agents import RunConfig, Runner
from agents.extensions.sandbox.runloop import RunloopSandboxSession, RunloopSandboxSessionState
from agents.run_config import SandboxRunConfig
from agents.sandbox.session import SandboxSession
from runloop_api_client.sdk import RunloopSDK

from pytest_runloop.sandbox.looplocal import refuse_trio

if TYPE_CHECKING:
    from agents import Agent, RunResult, TResponseInputItem
    from runloop_api_client.sdk import AsyncRunloopSDK
    from runloop_api_client.sdk.async_devbox import AsyncDevbox
    from runloop_api_client.sdk.devbox import Devbox

    from pytest_runloop.sandbox.looplocal import LoopLocal
    from pytest_runloop.target import Endpoint


class NativeSandbox:
    """What the two SDKs offer for one devbox."""

    def __init__(
        self, state: RunloopSandboxSessionState, *, sdk: LoopLocal[AsyncRunloopSDK], endpoint: Endpoint
    ) -> None:
        """Bind to the devbox in *state*, with one async client per loop from *sdk*."""
        self._sdk = sdk
        self._endpoint = endpoint
        self._inner = RunloopSandboxSession.from_state(
            state, sdk=LoopLocalSdk(sdk), devbox=_LoopLocalDevbox(sdk, state.devbox_id)
        )
        self._session = SandboxSession(self._inner)
        self._client: RunloopSDK | None = None

    @property
    def session(self) -> SandboxSession:
        """The session, usable on any asyncio loop: the running loop's own client answers each call.

        Raises:
            SandboxError: The caller runs on trio.
        """
        refuse_trio()
        return self._session

    @property
    def state(self) -> RunloopSandboxSessionState:
        """What the SDK can resume this session from."""
        return self._inner.state

    @property
    def devbox_id(self) -> str:
        """The devbox the session is on now; restoring a disk snapshot moves a session to another one."""
        return self._inner.devbox_id

    def devbox(self) -> Devbox:
        """Return the vendor's synchronous devbox; ``close`` ends its connections."""
        if self._client is None:
            self._client = RunloopSDK(bearer_token=self._endpoint.api_key, base_url=self._endpoint.base_url)
        return self._client.devbox.from_id(self.devbox_id)

    def async_devbox(self) -> AsyncDevbox:
        """Return the vendor's asynchronous devbox for the running loop, whose end closes its connections."""
        return self._sdk.get().devbox.from_id(self.devbox_id)

    def run_config(self, given: dict[str, Any]) -> RunConfig:
        """Return a run configuration whose sandbox is this session; the Runner leaves the devbox running.

        Args:
            given: Other fields of ``RunConfig``. ``sandbox`` may be a ``SandboxRunConfig`` or a dict of its fields.
                Traces are not sent to OpenAI unless it holds ``tracing_disabled=False``.
        """
        sandbox = given.get("sandbox")
        if isinstance(sandbox, dict):
            sandbox = SandboxRunConfig(**sandbox)
        return RunConfig(**{"tracing_disabled": True, **given, "sandbox": self._bound(sandbox)})

    async def run_agent(
        self, agent: Agent[Any], prompt: str | list[TResponseInputItem], given: dict[str, Any]
    ) -> RunResult:
        """Run an agent in the sandbox, on the running loop.

        Args:
            agent: What to run.
            prompt: Its input.
            given: Other arguments of ``Runner.run``; a ``run_config`` in it keeps all but its sandbox's session.
        """
        others = dict(given)
        config = others.pop("run_config", None)
        if config is None:
            config = self.run_config({})
        elif isinstance(config, dict):
            config = self.run_config(config)
        else:
            config = dataclasses.replace(config, sandbox=self._bound(config.sandbox))
        return await Runner.run(agent, prompt, run_config=config, **others)

    def close(self) -> None:
        """Close the synchronous client, if there is one."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _bound(self, sandbox: SandboxRunConfig | None) -> SandboxRunConfig:
        # A client in it would make the Runner create, and own, a devbox of its own.
        return dataclasses.replace(sandbox or SandboxRunConfig(), session=self.session, client=None)


class LoopLocalSdk:
    """Stand in for an AsyncRunloopSDK on every loop."""

    def __init__(self, sdk: LoopLocal[AsyncRunloopSDK]) -> None:
        self._sdk = sdk

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - SDK boundary
        return getattr(self._sdk.get(), name)


class _LoopLocalDevbox:
    """Stand in for an AsyncDevbox on every loop."""

    def __init__(self, sdk: LoopLocal[AsyncRunloopSDK], devbox_id: str) -> None:
        self._sdk = sdk
        self.id = devbox_id

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - SDK boundary
        return getattr(self._sdk.get().devbox.from_id(self.id), name)
