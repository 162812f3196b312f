"""Which requests are recorded, and under which name, wherever the service was at the time. Pure but for one variable.

A recording made on an emulator's port replays for the real address, and the other way round.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from pytest_runloop.cassettes.exchange import OPENAI, RUNLOOP

RUNLOOP_URL = "https://api.runloop.ai"
OPENAI_URL = "https://api.openai.com"
OPENAI_BASE_URL = "OPENAI_BASE_URL"
_OPENAI_ROOT = "/v1"
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Url(Protocol):
    """A URL as httpx has it; port None is the scheme's own."""

    @property
    def scheme(self) -> str: ...

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int | None: ...

    @property
    def raw_path(self) -> bytes: ...


class Origin(NamedTuple):
    """Where a server listens."""

    scheme: str
    host: str
    port: int | None


class _Root(NamedTuple):
    """A server's place below its origin, and how that is called."""

    path: str
    name: str
    standard: str


class Address(NamedTuple):
    """A URL taken apart, from a client that has only its text."""

    scheme: str
    host: str
    port: int | None
    raw_path: bytes


def address(url: str) -> Address:
    """Take a URL apart."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(parts.scheme, parts.hostname or "", _port(parts.scheme, parts.port), path.encode())


class Places:
    """The addresses that are recorded.

    Args:
        base_url: Where the Runloop API is; its usual address counts beside it.
        hosts: Names of other hosts the user wants recorded.
    """

    def __init__(self, base_url: str, hosts: Collection[str] = ()) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._roots: dict[Origin, _Root] = {}
        self._openai: tuple[str, Origin, _Root] = ("", Origin("", "", None), _Root("", "", ""))
        self._add(OPENAI_URL, OPENAI, "")
        self._add(RUNLOOP_URL, RUNLOOP, "")
        self.serve(base_url)

    def serve(self, base_url: str) -> None:
        """Take one more address for that of the Runloop API."""
        self._add(base_url, RUNLOOP, "")

    def expose(self, url: str, devbox_id: str, port: int) -> None:
        """Have a port of a sandbox recorded that is reached by *url*."""
        self._add(url, f"{port}.{devbox_id}.sandbox", "")

    def is_sandbox(self, url: Url) -> bool:
        """Tell whether a URL leads to a port of a sandbox."""
        place = self.find(url)
        return place is not None and place[0].endswith(".sandbox")

    def is_host(self, name: str) -> bool:
        """Tell whether something is recorded that is at a host."""
        openai = os.environ.get(OPENAI_BASE_URL)
        named = {origin.host for origin in self._roots} | ({_split(openai)[0].host} if openai else set())
        return name in named or name in self._hosts

    def host_of(self, name: str) -> str:
        """Return the host whose requests are recorded under a name; the usual one of several."""
        openai = os.environ.get(OPENAI_BASE_URL)
        if name == OPENAI and openai:
            return _split(openai)[0].host
        return next((origin.host for origin, root in self._roots.items() if root.name == name), name)

    def find(self, url: Url) -> tuple[str, str] | None:
        """Return host and path under which a request is recorded, or None."""
        origin = Origin(url.scheme, url.host, url.port)
        root = self._roots.get(origin) or self._openai_root(origin)
        if root is not None:
            return _below(root, url.raw_path.decode("ascii"))
        if origin.host in self._hosts:
            name = origin.host if origin.port is None else f"{origin.host}:{origin.port}"
            return name, url.raw_path.decode("ascii")
        return None

    def _add(self, url: str, name: str, standard: str) -> None:
        origin, path = _split(url)
        self._roots[origin] = _Root(path, name, standard)

    def _openai_root(self, origin: Origin) -> _Root | None:
        # Read each time: a test may set it, and clients read it when they are made.
        base_url = os.environ.get(OPENAI_BASE_URL)
        if not base_url:
            return None
        if self._openai[0] != base_url:
            where, path = _split(base_url)
            self._openai = (base_url, where, _Root(path, OPENAI, _OPENAI_ROOT))
        return self._openai[2] if self._openai[1] == origin else None


def _split(url: str) -> tuple[Origin, str]:
    parts = urlsplit(url)
    origin = Origin(parts.scheme, parts.hostname or "", _port(parts.scheme, parts.port))
    return origin, parts.path.rstrip("/")


def _port(scheme: str, port: int | None) -> int | None:
    return None if port == _DEFAULT_PORTS.get(scheme) else port


def _below(root: _Root, path: str) -> tuple[str, str] | None:
    if not path.startswith(root.path):
        return None
    rest = path[len(root.path) :]
    return (root.name, root.standard + rest) if not rest or rest[0] in "/?" else None
