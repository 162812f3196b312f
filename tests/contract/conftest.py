"""The vendor's own clients against the emulator, or against the live service.

``PYTEST_RUNLOOP_CONTRACT=live`` with ``RUNLOOP_API_KEY`` set runs the same tests live; they then cost money.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

import httpx
import pytest
from pydantic import BaseModel
from runloop_api_client import AsyncRunloopSDK, RunloopSDK
from runloop_api_client.sdk import Devbox

from pytest_runloop.emulator import launcher

LIVE = os.environ.get("PYTEST_RUNLOOP_CONTRACT") == "live" and "RUNLOOP_API_KEY" in os.environ


@dataclass(frozen=True)
class Service:
    """Where the API is, and the server's process if it is one of ours."""

    base_url: str
    api_key: str = field(repr=False)
    pid: int = 0


class Blocking:
    """An asynchronous client that blocks: its awaitables are run to their end on one loop of its own."""

    def __init__(self, inner: object, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = inner
        self._loop = loop

    def __getattr__(self, name: str) -> object:
        return self._wrap(getattr(self._inner, name))

    def __call__(self, *args: object, **options: object) -> object:
        async def call() -> object:
            assert callable(self._inner)
            result = self._inner(*args, **options)
            return await result if inspect.isawaitable(result) else result

        return self._wrap(self._loop.run_until_complete(call()))

    def _wrap(self, value: object) -> object:
        if isinstance(value, list):
            return [self._wrap(item) for item in value]
        model = isinstance(value, BaseModel)
        foreign = type(value).__module__.startswith("runloop_api_client") and not model
        return Blocking(value, self._loop) if foreign or inspect.ismethod(value) else value


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    if LIVE:
        yield Service(os.environ.get("RUNLOOP_BASE_URL", "https://api.runloop.ai"), os.environ["RUNLOOP_API_KEY"])
        return
    directory = tmp_path_factory.mktemp("emulator")
    running = launcher.launch(directory / "state", directory / "run", owner_pid=os.getpid())
    yield Service(running.base_url, running.api_key, running.pid)
    launcher.stop(running)
    log = (directory / "run" / "emulator.log").read_text()
    assert "Traceback" not in log, log


@pytest.fixture
def emulator(service: Service) -> Service:
    """The service, for what only the emulator promises."""
    if LIVE:
        pytest.skip("the emulator's own promise")
    return service


@pytest.fixture(scope="session")
def http(service: Service) -> Iterator[httpx.Client]:
    """Requests as they are, without a client's retries."""
    key = {"Authorization": f"Bearer {service.api_key}"}
    with httpx.Client(base_url=service.base_url, headers=key, timeout=60) as client:
        yield client


@pytest.fixture(scope="session", params=["sync", "async"])
def sdk(service: Service, request: pytest.FixtureRequest) -> Iterator[RunloopSDK]:
    """The object-oriented client, in both its forms."""
    if request.param == "sync":
        with RunloopSDK(bearer_token=service.api_key, base_url=service.base_url) as blocking:
            yield blocking
        return
    loop = asyncio.new_event_loop()
    client = AsyncRunloopSDK(bearer_token=service.api_key, base_url=service.base_url)
    yield cast("RunloopSDK", Blocking(client, loop))
    loop.run_until_complete(client.aclose())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


@pytest.fixture
def create(sdk: RunloopSDK) -> Iterator[Callable[..., Devbox]]:
    """Make devboxes that end with the test."""
    made: list[Devbox] = []

    def make(**options: object) -> Devbox:
        made.append(sdk.devbox.create(**options))  # type: ignore[arg-type] # the client's own to check
        return made[-1]

    yield make
    for devbox in made:
        devbox.shutdown()


@pytest.fixture(scope="session")
def devbox(sdk: RunloopSDK) -> Iterator[Devbox]:
    """One devbox for all tests that leave it running."""
    devbox = sdk.devbox.create(name="contract", launch_parameters={"resource_size_request": "SMALL"})
    yield devbox
    devbox.shutdown()
