"""Runloop's other routes: known, not emulated. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType


def is_known(method: str, path: str) -> bool:
    """Say whether Runloop has this route."""
    # The patterns are compiled when first needed, not at start, where each millisecond is counted.
    templates = _TEMPLATES.get(method, ())
    return any(re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) for template in templates)


_BOTH = (
    "/v1/agents",
    "/v1/axons",
    "/v1/axons/{id}",
    "/v1/benchmark_jobs",
    "/v1/benchmarks",
    "/v1/benchmarks/{id}",
    "/v1/gateway-configs",
    "/v1/gateway-configs/{id}",
    "/v1/mcp-configs",
    "/v1/mcp-configs/{id}",
    "/v1/network-policies",
    "/v1/network-policies/{id}",
    "/v1/objects",
    "/v1/scenarios",
    "/v1/scenarios/scorers",
    "/v1/scenarios/scorers/{id}",
    "/v1/scenarios/{id}",
)
_TEMPLATES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "GET": (
            *_BOTH,
            "/pty/{session_name}",
            "/v1/accounts/me",
            "/v1/agents/devbox_counts",
            "/v1/agents/list_public",
            "/v1/agents/{id}",
            "/v1/axons/{id}/events",
            "/v1/axons/{id}/subscribe/sse",
            "/v1/benchmark_jobs/{id}",
            "/v1/benchmark_runs",
            "/v1/benchmark_runs/{id}",
            "/v1/benchmark_runs/{id}/scenario_runs",
            "/v1/benchmarks/list_public",
            "/v1/benchmarks/metadata/keys",
            "/v1/benchmarks/metadata/keys/{key}/values",
            "/v1/benchmarks/runs",
            "/v1/benchmarks/runs/{id}",
            "/v1/benchmarks/runs/{id}/scenario_runs",
            "/v1/benchmarks/{id}/definitions",
            "/v1/benchmarks/{id}/runs",
            "/v1/blueprints/metadata/keys",
            "/v1/blueprints/metadata/keys/{key}/values",
            "/v1/blueprints/public/metadata/keys",
            "/v1/blueprints/public/metadata/keys/{key}/values",
            "/v1/devboxes/disk_snapshots/list_public",
            "/v1/devboxes/disk_snapshots/metadata/keys",
            "/v1/devboxes/disk_snapshots/metadata/keys/{key}/values",
            "/v1/devboxes/disk_snapshots/public/metadata/keys",
            "/v1/devboxes/disk_snapshots/public/metadata/keys/{key}/values",
            "/v1/devboxes/evictions/watch",
            "/v1/devboxes/metadata/keys",
            "/v1/devboxes/metadata/keys/{key}/values",
            "/v1/devboxes/{id}/logs/tail",
            "/v1/devboxes/{id}/usage",
            "/v1/objects/list_public",
            "/v1/objects/metadata/keys",
            "/v1/objects/metadata/keys/{key}/values",
            "/v1/objects/{id}",
            "/v1/objects/{id}/download",
            "/v1/scenarios/list_public",
            "/v1/scenarios/metadata/keys",
            "/v1/scenarios/metadata/keys/{key}/values",
            "/v1/scenarios/runs",
            "/v1/scenarios/runs/{id}",
            "/v1/scenarios/{id}/runs",
        ),
        "POST": (
            *_BOTH,
            "/pty/{session_name}/control",
            "/v1/agents/{id}/delete",
            "/v1/apikeys",
            "/v1/axons/{id}/publish",
            "/v1/axons/{id}/sql/batch",
            "/v1/axons/{id}/sql/query",
            "/v1/benchmark_runs/{id}/cancel",
            "/v1/benchmark_runs/{id}/complete",
            "/v1/benchmark_runs/{id}/download_logs",
            "/v1/benchmarks/runs/{id}/cancel",
            "/v1/benchmarks/runs/{id}/complete",
            "/v1/benchmarks/runs/{id}/download_logs",
            "/v1/benchmarks/start_run",
            "/v1/benchmarks/{id}/archive",
            "/v1/benchmarks/{id}/scenarios",
            "/v1/benchmarks/{id}/unarchive",
            "/v1/blueprints/create_from_inspection",
            "/v1/devboxes/{id}/create_gateway_token",
            "/v1/devboxes/{id}/create_mcp_token",
            "/v1/devboxes/{id}/create_pty_tunnel",
            "/v1/devboxes/{id}/create_ssh_key",
            "/v1/gateway-configs/{id}/delete",
            "/v1/mcp-configs/{id}/delete",
            "/v1/network-policies/{id}/delete",
            "/v1/objects/{id}/complete",
            "/v1/objects/{id}/delete",
            "/v1/restricted_keys",
            "/v1/scenarios/runs/{id}/cancel",
            "/v1/scenarios/runs/{id}/complete",
            "/v1/scenarios/runs/{id}/download_logs",
            "/v1/scenarios/runs/{id}/score",
            "/v1/scenarios/start_run",
            "/v1/scenarios/{id}/archive",
            "/v1/scenarios/{id}/unarchive",
        ),
        "DELETE": ("/v1/axons/{id}",),
    }
)
