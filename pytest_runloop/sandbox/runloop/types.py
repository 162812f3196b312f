"""The SDKs' own types that appear in the signatures of a handle; for type checkers, nobody imports this at run time."""

from agents import Agent, RunConfig, RunResult, TResponseInputItem
from agents.sandbox.session import SandboxSession
from runloop_api_client.sdk.async_devbox import AsyncDevbox
from runloop_api_client.sdk.devbox import Devbox

__all__ = ["Agent", "AsyncDevbox", "Devbox", "RunConfig", "RunResult", "SandboxSession", "TResponseInputItem"]
