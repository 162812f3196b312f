from __future__ import annotations

import json

import pytest

from pytest_runloop.emulator.domain import mcp
from pytest_runloop.emulator.domain.gateways import (
    allows_tool,
    credentials,
    parse_gateway,
    parse_mcp,
    parse_wishes,
    with_credentials,
)
from pytest_runloop.emulator.domain.problems import ApiProblem


@pytest.mark.parametrize(
    ("mechanism", "secret", "header"),
    [
        ({"type": "bearer"}, "s", (b"authorization", b"Bearer s")),
        ({"type": "header", "key": "X-Api-Key"}, "s", (b"x-api-key", b"s")),
        ({"type": "basic"}, "u:p", (b"authorization", b"Basic dTpw")),
        ({"type": "basic"}, "p", (b"authorization", b"Basic OnA=")),
    ],
)
def test_a_credential_has_its_header(mechanism: dict[str, str], secret: str, header: tuple[bytes, bytes]) -> None:
    assert credentials(mechanism, secret) == header


def test_the_token_leaves_every_header_it_came_in() -> None:
    asked = [(b"host", b"h"), (b"x-api-key", b"gws_1"), (b"authorization", b"Bearer gws_1"), (b"accept", b"a")]

    assert with_credentials(asked, "gws_1", [(b"x-key", b"s")]) == [(b"accept", b"a"), (b"x-key", b"s")]


@pytest.mark.parametrize(
    ("tool", "allowed"), [("search_code", True), ("github.search_code", True), ("get", True), ("delete", False)]
)
def test_tools_match_by_their_own_name_or_with_the_services(tool: str, allowed: object) -> None:
    patterns = ["github.search_*", "get"]

    assert allows_tool("github-readonly", patterns, tool) is allowed


def test_a_variable_has_a_name() -> None:
    with pytest.raises(ApiProblem, match="1A"):
        parse_wishes("gateways", "gateway", {"1A": {"gateway": "g", "secret": "s"}})
    with pytest.raises(ApiProblem, match=r"gateways\.A\.secret"):
        parse_wishes("gateways", "gateway", {"A": {"gateway": "g"}})


def test_an_mcp_config_bears_its_credential_unless_told() -> None:
    body = {"name": "a", "endpoint": "https://a.example.com", "allowed_tools": []}

    assert parse_mcp(body, new=True)["auth_mechanism"] == {"type": "bearer"}
    assert "auth_mechanism" not in parse_mcp({"description": "d"}, new=False)
    with pytest.raises(ApiProblem, match="allowed_tools"):
        parse_mcp({**body, "allowed_tools": "*"}, new=True)


@pytest.mark.parametrize("endpoint", ["a.example.com", "ftp://a.example.com", "https://"])
def test_an_endpoint_is_an_http_address(endpoint: str) -> None:
    with pytest.raises(ApiProblem, match="endpoint"):
        parse_gateway({"endpoint": endpoint}, new=False)


def test_lists_of_tools_are_filtered_plain_and_as_events() -> None:
    listed = {"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "a"}, {"name": "b"}, {"no": "name"}]}}
    kept = {**listed, "result": {"tools": [{"name": "a"}]}}
    plain = json.dumps(listed).encode()

    assert json.loads(mcp.filtered(plain, "a".__eq__)) == kept
    events = mcp.filtered(b"event: message\ndata: " + plain + b"\n\n", "a".__eq__)
    assert events.startswith(b"event: message\ndata: ")
    assert json.loads(events.split(b"data: ")[1]) == kept
    assert mcp.filtered(b"not json", "a".__eq__) == b"not json"


def test_a_call_of_another_tool_is_refused_by_its_number() -> None:
    call = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "b"}}

    refusal = mcp.refusal(mcp.messages(json.dumps([call]).encode()), "a".__eq__)

    assert refusal is not None
    assert refusal["id"] == 7
    assert mcp.refusal([{**call, "params": {"name": "a"}}], "a".__eq__) is None
    assert mcp.refusal(mcp.messages(b"[1, nonsense"), "a".__eq__) is None
