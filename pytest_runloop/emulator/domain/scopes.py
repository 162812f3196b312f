"""What a restricted key may do: a table from paths to the kinds of resources that keys have scopes for. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.problems import bad_request

_TYPE = "RESOURCE_TYPE_"
_LEVEL = "ACCESS_LEVEL_"
LEVELS = (_LEVEL + "NONE", _LEVEL + "READ", _LEVEL + "WRITE")
"""What a scope may allow, each more than the one before."""
ACCOUNT = _TYPE + "ACCOUNT"
_TABLE = (
    (r"/v1/devboxes/disk_snapshots(/|$)", _TYPE + "SNAPSHOTS"),
    (r"/v1/devboxes/[^/]+/snapshot_disk(_async)?$", _TYPE + "SNAPSHOTS"),
    (r"/(v1|_emulator)/devboxes(/|$)", _TYPE + "DEVBOXES"),
    (r"/pty/", _TYPE + "DEVBOXES"),
    (r"/v1/blueprints(/|$)", _TYPE + "BLUEPRINTS"),
    (r"/v1/benchmark(s|_runs|_jobs)(/|$)", _TYPE + "BENCHMARKS"),
    (r"/v1/scenarios(/|$)", _TYPE + "SCENARIOS"),
    (r"/v1/repositories(/|$)", _TYPE + "REPO_CONNECTIONS"),
    (r"/v1/agents(/|$)", _TYPE + "AGENTS"),
    (r"/v1/objects(/|$)", _TYPE + "OBJECTS"),
)
"""In order; what isn't here belongs to the account, as secrets, policies and keys do."""
TYPES = (*dict.fromkeys(kind for _, kind in _TABLE), ACCOUNT)
_READING_POSTS = re.compile(r".*/(wait_for_status|download_file|read_file_contents|preview)")


def parse_scopes(value: object) -> list[dict[str, str]]:
    """Check the scopes of a new key.

    Raises:
        ApiProblem: 400 naming the guilty one.
    """
    scopes = cast("list[dict[str, str]]", _SCOPES("scopes", value))
    kinds = [scope["resource_type"] for scope in scopes]
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise bad_request(f"scopes: {kind} is there more than once; give each resource type one access level.")
    if not scopes:
        raise bad_request("scopes: empty; a restricted key needs at least one scope.")
    return scopes


def needed(method: str, path: str) -> tuple[str, str]:
    """Say which access to which resources a request needs."""
    kind = next((kind for pattern, kind in _TABLE if re.match(pattern, path)), ACCOUNT)
    reads = method in {"GET", "HEAD"} or (method == "POST" and _READING_POSTS.fullmatch(path) is not None)
    return kind, LEVELS[1 if reads else 2]


def allowed(scopes: Sequence[Mapping[str, Any]], *, kind: str, level: str) -> bool:
    """Say whether scopes allow so much access to a kind of resources."""
    given = {scope["resource_type"]: scope["access_level"] for scope in scopes}
    return LEVELS.index(given.get(kind, LEVELS[0])) >= LEVELS.index(level)


_SCOPES = checks.list_of(
    checks.record(
        {"resource_type": checks.choice(TYPES), "access_level": checks.choice(LEVELS)},
        required=("resource_type", "access_level"),
    )
)
