"""The vendor's OpenAPI document, with its own mistakes put right."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

Place = tuple[str, ...]
_SCHEMAS = ("components", "schemas")
CORRECTIONS: Mapping[Place, tuple[object, str]] = {
    (*_SCHEMAS, "Number"): ({"type": "number"}, "an object without fields, for a time in milliseconds"),
    (*_SCHEMAS, "AxonView", "properties", "metadata"): (
        {"type": "object", "additionalProperties": {"type": "string"}},
        "younger than the document: the vendor's client has it",
    ),
    (*_SCHEMAS, "EgressRulesView", "properties", "allow_runloop_mirrors"): (
        {"type": "boolean"},
        "younger than the document: the vendor's client has it",
    ),
    (*_SCHEMAS, "EgressRulesView", "properties", "allowed_cidrs"): (
        {"type": "array", "items": {"type": "object"}},
        "younger than the document: the vendor's client has it",
    ),
    (*_SCHEMAS, "GatewayConfigView", "properties", "custom_headers"): (
        {"type": "array", "items": {"type": "object"}},
        "younger than the document: the vendor's client has it",
    ),
    (*_SCHEMAS, "McpConfigView", "properties", "custom_headers"): (
        {"type": "array", "items": {"type": "object"}},
        "younger than the document: the vendor's client has it",
    ),
    (*_SCHEMAS, "McpConfigView", "properties", "auth_mechanism"): (
        {"$ref": "#/components/schemas/AuthMechanismView"},
        "younger than the document: the vendor's client has it",
    ),
    (*_SCHEMAS, "SqlQueryResultView", "properties", "rows", "items"): (
        {},
        "a row is a list of values; the document's object is a generator's word for anything",
    ),
    (
        *("paths", "/v1/scenarios/{id}/runs", "get"),
        *("responses", "200", "content", "application/json", "schema", "$ref"),
    ): (
        "#/components/schemas/ScenarioRunListView",
        "one scenario, for a route that takes a page's limit and gives runs",
    ),
}
"""What is put where, and what is wrong there."""

UNDOCUMENTED = {
    400: "the document lists it for few routes; the service sends it for any bad input",
    404: "listed for few of the routes that name something",
    501: "the emulator's own: it has no such part of Runloop",
}
"""Status codes that the document leaves out at some route where the emulator sends them, and why it does."""


def load(path: str) -> dict[str, Any]:
    """Read the document."""
    document: dict[str, Any] = yaml.safe_load(Path(path).read_text())
    return document


def corrected(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give the document with its mistakes put right."""
    result: dict[str, Any] = copy.deepcopy(dict(document))
    for place, (value, _) in CORRECTIONS.items():
        *way, last = place
        parent = result
        for step in way:
            parent = parent[step]
        parent[last] = value
    return result


def at(document: Mapping[str, Any], place: Place) -> object:
    """Give what the document has somewhere; None if nothing."""
    found: Any = document
    for step in place:
        found = found.get(step) if isinstance(found, dict) else None
    return found
