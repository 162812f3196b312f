"""The agent gateway and the MCP hub: requests of devboxes, passed on with a credential that the devbox never sees."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.routing import Route

from pytest_runloop.emulator.domain import mcp
from pytest_runloop.emulator.domain.gateways import allows_tool, credentials, with_credentials
from pytest_runloop.emulator.domain.problems import ApiProblem
from pytest_runloop.emulator.http.answers import emulator, json_answer
from pytest_runloop.emulator.http.forwarding import Forwarding, Header
from pytest_runloop.emulator.service.egress import PASS

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from pytest_runloop.emulator.domain.gateways import Grant
    from pytest_runloop.emulator.service.network import Network

_CONNECT_S = 30.0
_PASS = PASS.encode()


class Gateway:
    """Pass requests on to a gateway config's endpoint, with the rest of their path."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one."""
        network = emulator(Request(scope)).network
        grant = _grant(network, scope, "gateway")
        if grant.config_id != scope["path_params"]["config"]:
            raise ApiProblem(401, "The token is for another gateway; each has its own.")
        rest = scope["raw_path"].decode("latin-1").split("/", 4)[4:]
        await _pass_on(network, grant, "/".join(["", *rest]), (scope, receive, send))


class Hub:
    """Pass requests on to the MCP server that their token is for, and see that only allowed tools are used."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one."""
        request = Request(scope, receive)
        network = emulator(request).network
        grant = _grant(network, scope, "mcp")
        config = network.config(grant)
        body = await request.body() if scope["method"] == "POST" else b""
        asked = mcp.messages(body)

        def allowed(tool: str) -> bool:
            return allows_tool(config.name, config.fields["allowed_tools"], tool)

        refusal = mcp.refusal(asked, allowed)
        if refusal is not None:
            await json_answer(refusal)(scope, receive, send)
            return
        if mcp.lists_tools(asked):
            headers = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
            scope, send = {**scope, "headers": headers}, _Filter(send, allowed)
        await _pass_on(network, grant, "", (scope, _replay(body, receive), send))


class _Filter:
    """Hold an answer back until it is there, and leave out of it what isn't allowed."""

    def __init__(self, send: Send, allowed: mcp.Allowed) -> None:
        self._send = send
        self._allowed = allowed
        self._start: Message = {}
        self._parts: list[bytes] = []

    async def __call__(self, message: Message) -> None:
        """Take one part."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            headers = [pair for pair in self._start["headers"] if pair[0] != b"content-length"]
            await self._send({**self._start, "headers": headers})
            await self._send({"type": "http.response.body", "body": mcp.filtered(b"".join(self._parts), self._allowed)})


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read already once more, and what comes after it."""
    parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return parts.pop() if parts else await receive()

    return again


def _grant(network: Network, scope: Scope, kind: str) -> Grant:
    key = next((value for name, value in scope["headers"] if name == _PASS), b"")
    headers = [pair for pair in scope["headers"] if pair[0] != _PASS]
    return network.grant_of(key.decode("latin-1"), kind, headers)


async def _pass_on(network: Network, grant: Grant, path: str, call: tuple[Scope, Receive, Send]) -> None:
    config = network.config(grant)
    endpoint = urlsplit(config.fields["endpoint"])
    query = call[0]["query_string"].decode("latin-1") or endpoint.query
    target = f"{endpoint.path.rstrip('/')}{path}" or "/"
    try:
        port = endpoint.port or {"https": 443, "http": 80}[endpoint.scheme]
        opening = asyncio.open_connection(endpoint.hostname, port, ssl=endpoint.scheme == "https" or None)
        reader, writer = await asyncio.wait_for(opening, _CONNECT_S)
    except (OSError, asyncio.TimeoutError) as error:
        raise ApiProblem(502, f"{config.fields['endpoint']} can't be reached: {error}.") from None
    try:
        headers = [
            *_headers(network, grant, call[0]["headers"]),
            (b"host", endpoint.netloc.rpartition("@")[2].encode()),
        ]
        await Forwarding(reader, writer).run(f"{target}?{query}" if query else target, headers, call)
    finally:
        writer.close()


def _headers(network: Network, grant: Grant, asked: list[Header]) -> list[Header]:
    fields = network.config(grant).fields
    added = [credentials(fields["auth_mechanism"], _value(network, grant.secret_id))]
    for header in fields.get("custom_headers", []):
        value = header["value"] if "value" in header else _value(network, header["secret"])
        added.append((header["name"].lower().encode(), value.encode()))
    return with_credentials((pair for pair in asked if pair[0] != _PASS), grant.token, added)


def _value(network: Network, secret_id: str) -> str:
    try:
        return network.secret("secret", secret_id).value
    except ApiProblem:
        raise ApiProblem(502, f"The secret {secret_id} behind this gateway was deleted.") from None


ROUTES = [
    Route("/_emulator/gateway/{config}", Gateway()),
    Route("/_emulator/gateway/{config}/{rest:path}", Gateway()),
    Route("/_emulator/mcp", Hub()),
    Route("/_emulator/mcp/", Hub()),
]
