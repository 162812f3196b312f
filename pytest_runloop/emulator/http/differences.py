"""In what the emulator's routes differ from Runloop's. For the documentation only: nothing else reads it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_NO_PUBLIC = "always empty: nothing is public here"
_NO_SIZES = "a size bounds memory, not cores and disk; `architecture` is this computer's, another is 501"
_CREATE = (
    "every image is this computer's own system; " + _NO_SIZES + "; `required_services`, `repo_connection_id` and"
    " broker mounts are 501"
)
_SCORERS = "`ast_grep_scorer` runs the devbox's `ast-grep`; if it has none, that of PyPI is installed for it"
_SIGNED = "the URL is the emulator's own, good on this computer and in its devboxes only"
_TERMINALS = "under `/_emulator/tunnels/13-KEY/` or with the token as the bearer"
_BUILD = "every `FROM` is this computer's system; no `COPY --from`, no `ADD` of a URL; `services` are not emulated"
DIFFERENCES: Mapping[str, str] = MappingProxyType(
    {
        "GET /pty/{session_name}": _TERMINALS,
        "GET /v1/accounts/me": "one made-up account",
        "GET /v1/agents/list_public": _NO_PUBLIC,
        "GET /v1/benchmark_jobs": "always empty",
        "GET /v1/benchmark_jobs/{id}": "always 404",
        "GET /v1/benchmarks/list_public": _NO_PUBLIC,
        "GET /v1/blueprints/list_public": "Runloop's own base images only",
        "GET /v1/blueprints/public/metadata/keys": _NO_PUBLIC,
        "GET /v1/blueprints/public/metadata/keys/{key}/values": _NO_PUBLIC,
        "GET /v1/devboxes/disk_snapshots/list_public": _NO_PUBLIC,
        "GET /v1/devboxes/disk_snapshots/public/metadata/keys": _NO_PUBLIC,
        "GET /v1/devboxes/disk_snapshots/public/metadata/keys/{key}/values": _NO_PUBLIC,
        "GET /v1/devboxes/evictions/watch": "only what a test announces: nothing is evicted by itself",
        "GET /v1/devboxes/{id}/usage": "counts the size that was asked for, not what was used",
        "GET /v1/objects/list_public": _NO_PUBLIC,
        "GET /v1/objects/{id}/download": _SIGNED,
        "GET /v1/scenarios/list_public": _NO_PUBLIC,
        "POST /pty/{session_name}/control": _TERMINALS,
        "POST /v1/blueprints": _BUILD,
        "POST /v1/blueprints/create_from_inspection": "always 400: there are no repository connections",
        "POST /v1/devboxes": _CREATE,
        "POST /v1/devboxes/create_and_await_running": _CREATE,
        "POST /v1/devboxes/{id}/create_mcp_token": "the hub shows a server's tools by their own names",
        "POST /v1/devboxes/{id}/create_ssh_key": "the key is real, but no SSH server listens at the `url`",
        "POST /v1/devboxes/{id}/enable_tunnel": "a request that wakes a devbox gets 503 with `Retry-After`; for how a"
        " tunnel is reached see [the emulator](emulator.md#tunnels)",
        "POST /v1/devboxes/{id}/execute_async": "`attach_stdin` has no effect with `shell_name`",
        "POST /v1/devboxes/{id}/suspend": "keeps the disk; processes end, as with Runloop",
        "POST /v1/network-policies": "no names are resolved in a devbox; `allow_runloop_mirrors` lets nothing through",
        "POST /v1/objects": "the `upload_url` is the emulator's own, good on this computer and in its devboxes only",
        "POST /v1/restricted_keys": "what has no resource type of its own needs `RESOURCE_TYPE_ACCOUNT`",
        "POST /v1/scenarios": _SCORERS,
        "POST /v1/scenarios/{id}": _SCORERS,
    }
)
