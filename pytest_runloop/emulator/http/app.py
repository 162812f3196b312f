"""The web application, made of lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect

from pytest_runloop.emulator.domain.problems import ApiProblem
from pytest_runloop.emulator.http import blueprints, devboxes, executions, files, secrets, snapshots
from pytest_runloop.emulator.http.answers import answer_bug, answer_nobody, answer_problem, answer_unrouted
from pytest_runloop.emulator.http.auth import RequireKey
from pytest_runloop.emulator.http.doors import Doors
from pytest_runloop.emulator.http.late import Late

if TYPE_CHECKING:
    from pytest_runloop.emulator.service.emulator import Emulator


def build_app(emulator: Emulator, *, api_key: str) -> Starlette:
    """Put the application together.

    Args:
        emulator: What it serves.
        api_key: What every request must carry.
    """
    app = Starlette(
        # Searched in order. The busiest come first; `disk_snapshots` must come before `{id}` of a devbox.
        routes=[
            *executions.ROUTES,
            *files.ROUTES,
            *snapshots.ROUTES,
            *devboxes.ROUTES,
            *secrets.ROUTES,
            *blueprints.ROUTES,
            Late(r"/v1/[a-z]+(/disk_snapshots)?(/public)?/metadata/keys(/|$)", "metadata"),
            Late(r"/v1/devboxes/disk_snapshots/list_public$", "metadata"),
            Late(r"/v1/devboxes/(evictions/watch|[^/]+/(usage|logs/tail|create_ssh_key))$", "watching"),
            Late(r"/(v1|_emulator)/objects(/|$)", "objects"),
            Late(r"/v1/(accounts/me|apikeys|restricted_keys)$", "account"),
            Late(r"/v1/scenarios(/|$)", "scenarios"),
            Late(r"/v1/benchmark(s|_runs|_jobs)(/|$)", "benchmarks"),
            Late(r"/v1/axons(/|$)", "axons"),
            Late(r"/v1/agents(/|$)", "agents"),
            Late(r"(/_emulator)?/pty/|/v1/devboxes/[^/]+/create_pty_tunnel$", "terminals"),
            Late(r"/v1/(network-policies|gateway-configs|mcp-configs)(/|$)", "network"),
            Late(r"/v1/devboxes/[^/]+/create_(gateway|mcp)_token$", "network"),
            Late(r"/_emulator/(gateway/|mcp/?$)", "gateways"),
            Late(r"/_emulator/certificate$", "certificates"),
            Late(r"/_emulator/trouble$", "trouble"),
        ],
        middleware=[Middleware(Doors), Middleware(RequireKey, api_key=api_key)],
        exception_handlers={
            ApiProblem: answer_problem,
            ClientDisconnect: answer_nobody,
            HTTPException: answer_unrouted,
            Exception: answer_bug,
        },
    )
    app.state.emulator = emulator
    return app
