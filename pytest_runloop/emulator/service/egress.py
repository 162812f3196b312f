"""What a devbox reaches outside: as its network policy lets it, and with the emulator's own gateways beside."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_runloop.emulator.domain.policies import allows_address, allows_host
from pytest_runloop.emulator.domain.tunnels import door_of_host
from pytest_runloop.emulator.machine import egress
from pytest_runloop.emulator.machine.egress import Connection, Outside

PASS = "x-pytest-runloop-pass"  # noqa: S105 - a header's name
"""The header by which the emulator knows which devbox a request comes from; what a devbox says there is dropped."""
GATEWAY = "/gateway/"
HUB = "/mcp"
_OBJECT = re.compile(r"/_emulator/objects/\w+\?\S*", re.ASCII)
_FIRST_EPHEMERAL = 32768
URL = f"http://127.0.0.1:{egress.PORT}"
"""Where a devbox finds the gateways: on its own loopback, so that every client reaches them, proxy or not."""


class Policed(Outside):
    """The outside of one devbox."""

    def __init__(self, *, policy: tuple[str, Mapping[str, Any]] | None, emulator: tuple[str, int], key: str) -> None:
        """Note what is allowed.

        Args:
            policy: Its name and its rules; None for a devbox that may do anything.
            emulator: Where the emulator answers.
            key: What tells the emulator which devbox asks.
        """
        self._name, self._rules = policy or ("", {"allow_all": True, "allow_devbox_to_devbox": True})
        self._emulator = emulator
        self._key = key
        # Addresses of objects lead to the emulator's own port. One that a program in the devbox may want is left to it.
        self.ports = tuple({emulator[1]} - {egress.PORT}) if emulator[1] >= _FIRST_EPHEMERAL else ()

    async def reach(self, host: str, port: int) -> Connection:
        """Connect to a host, or to another devbox's tunnel."""
        if door_of_host(host) is not None:
            self._check("allow_devbox_to_devbox", "other devboxes' tunnels")
            return await asyncio.open_connection(*self._emulator)
        if _is_address(host) or not allows_host(self._rules, host):
            if not self._rules["allow_all"] and not self._rules["allowed_cidrs"]:
                raise self._refusal(host)
            return await self._reach_address(host, port)
        return await egress.connect(host, port)

    async def ask(self, target: str, fields: Sequence[str]) -> tuple[Connection, str, list[str]]:
        """Connect to the gateways, or to where objects are."""
        if _OBJECT.fullmatch(target):
            self._check("allow_all", "storage objects by their addresses")
            # Without an upgrade there is one request a connection, so that no other one follows it there.
            kept = [field for field in fields if not field.lower().startswith("upgrade")]
            return await asyncio.open_connection(*self._emulator), target, kept
        if target.startswith(GATEWAY):
            self._check("allow_agent_gateway", "the agent gateway")
        elif target.partition("?")[0] in {HUB, f"{HUB}/"}:
            self._check("allow_mcp_gateway", "the MCP hub")
        else:
            msg = f"{target!r} names no host, no gateway and no object"
            raise ValueError(msg)
        kept = [field for field in fields if not field.lower().startswith(f"{PASS}:")]
        return await asyncio.open_connection(*self._emulator), f"/_emulator{target}", [*kept, f"{PASS}: {self._key}"]

    async def _reach_address(self, host: str, port: int) -> Connection:
        try:
            return await egress.connect(
                host, port, permitted=lambda address: allows_address(self._rules, address, port)
            )
        except PermissionError:
            raise self._refusal(host) from None

    def _check(self, flag: str, what: str) -> None:
        if not (self._rules["allow_all"] or self._rules[flag]):
            msg = f"network policy {self._name!r} doesn't let this devbox reach {what}; set {flag} for that"
            raise PermissionError(msg)

    def _refusal(self, host: str) -> PermissionError:
        return PermissionError(f"network policy {self._name!r} doesn't let this devbox reach {host}")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
