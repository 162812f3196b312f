"""The part of the Model Context Protocol that the hub looks at: which tools are listed and called. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Allowed = Callable[[str], bool]
"""Says whether a tool is allowed, by its name."""
_INVALID_PARAMS = -32602


def messages(body: bytes) -> list[dict[str, Any]]:
    """Read the JSON-RPC messages of a body; what is none is left out."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return []
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]


def refusal(asked: list[dict[str, Any]], allowed: Allowed) -> dict[str, Any] | None:
    """Answer a call of a tool that isn't allowed; None if there is none."""
    for message in asked:
        params = message.get("params")
        name = params.get("name") if isinstance(params, dict) else None
        if message.get("method") == "tools/call" and not (isinstance(name, str) and allowed(name)):
            text = f"The tool {name!r} is not one of the allowed_tools of this MCP config."
            error = {"code": _INVALID_PARAMS, "message": text}
            return {"jsonrpc": "2.0", "id": message.get("id"), "error": error}
    return None


def lists_tools(asked: list[dict[str, Any]]) -> bool:
    """Say whether the answer will list tools."""
    return any(message.get("method") == "tools/list" for message in asked)


def filtered(body: bytes, allowed: Allowed) -> bytes:
    """Leave tools out of an answer, plain or as events, that aren't allowed."""
    if body.lstrip()[:1] in {b"{", b"["}:
        return _filtered(body, allowed)
    lines = body.split(b"\n")
    return b"\n".join(b"data: " + _filtered(line[5:], allowed) if line.startswith(b"data:") else line for line in lines)


def _filtered(data: bytes, allowed: Allowed) -> bytes:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return data
    for message in value if isinstance(value, list) else [value]:
        result = message.get("result") if isinstance(message, dict) else None
        if isinstance(result, dict) and isinstance(result.get("tools"), list):
            result["tools"] = [tool for tool in result["tools"] if _is_allowed(tool, allowed)]
    return json.dumps(value).encode()


def _is_allowed(tool: object, allowed: Allowed) -> bool:
    return isinstance(tool, dict) and isinstance(tool.get("name"), str) and allowed(tool["name"])
