"""Every test here leaves the clients as it found them; one that does not is named itself, not the next one."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator

import httpx
import pytest


def patched_places() -> tuple[object, ...]:
    return (
        httpx.HTTPTransport.handle_request,
        httpx.AsyncHTTPTransport.handle_async_request,
        http.client.HTTPConnection,
        socket.getaddrinfo,
    )


@pytest.fixture(autouse=True)
def _nothing_stays_patched() -> Iterator[None]:
    before = patched_places()
    yield
    assert patched_places() == before


@pytest.fixture
def patches(_nothing_stays_patched: None) -> Iterator[pytest.MonkeyPatch]:
    """Patch as ``monkeypatch`` does, and take it back before anybody looks; others may keep that one longer."""
    with pytest.MonkeyPatch.context() as patches:
        yield patches
