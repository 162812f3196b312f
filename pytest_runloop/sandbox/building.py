"""Blueprints described by their content: built once, found again by name, and what to say when there is none."""

from __future__ import annotations

import asyncio
import difflib
import time
from typing import TYPE_CHECKING

from pytest_runloop.errors import ProvisioningError
from pytest_runloop.sandbox import polling
from pytest_runloop.sandbox.boundary import ApiFailure

if TYPE_CHECKING:
    from pytest_runloop.blueprint import Blueprint
    from pytest_runloop.sandbox.account import Account, Build
    from pytest_runloop.sandbox.boundary import Provider, Request

BUILD_S = 3600.0
"""A Dockerfile may compile something large; a build that stands still is seen in its log."""

LOG_LINES = 40
MOST_NAMES = 10
COMPLETE, FAILED = "build_complete", "failed"
WRONG = frozenset({400, 404, 422})
"""HTTP statuses of a request that names something impossible."""


async def ensure(account: Account, blueprint: Blueprint, *, test: str) -> None:
    """Return once a blueprint is built, building it if nobody has.

    Raises:
        ProvisioningError: It could not be built; the message has the end of its log.
    """
    try:
        builds = await account.builds(blueprint.name)
        if any(build.status == COMPLETE for build in builds):
            return
        under_way = [build for build in builds if build.status != FAILED]
        # Another process may be at it; of two that begin at once, each waits for its own, and either does.
        build = under_way[0] if under_way else await account.build(blueprint)
        await _await_built(account, build, test=test)
    except ApiFailure as failure:
        message = f"{test}: blueprint {blueprint.name} could not be built: {failure}; check its dockerfile and base"
        raise ProvisioningError(message) from failure


async def remedy(provider: Provider, request: Request, failure: ApiFailure) -> str:
    """Return what to do about a refused creation: for an unknown blueprint, the names there are."""
    usual = "check the mark's options and the API's state"
    wanted = request.blueprint_name
    if wanted is None or failure.status not in WRONG:
        return usual
    try:
        names = await provider.account.blueprint_names()
    except ApiFailure:
        return usual
    if wanted in names:
        return usual
    near = difflib.get_close_matches(wanted, names, n=MOST_NAMES, cutoff=0.0)
    listed = ", ".join(near) or "none"
    more = f" and {len(names) - len(near)} others" if len(names) > len(near) else ""
    return f"there is no built blueprint {wanted!r}; there are, closest first: {listed}{more}"


async def _await_built(account: Account, build: Build, *, test: str) -> None:
    until = time.monotonic() + BUILD_S
    pauses = polling.pauses()
    while build.status not in {COMPLETE, FAILED} and time.monotonic() < until:
        await asyncio.sleep(next(pauses))
        build = await account.build_status(build.id)
    if build.status == COMPLETE:
        return
    lines = await account.build_log(build.id)
    state = f"failed ({build.reason})" if build.status == FAILED else f"is still '{build.status}' after {BUILD_S:g} s"
    message = f"{test}: the build of blueprint {build.name} ({build.id}) {state}; mend what its log shows at the end:"
    raise ProvisioningError("\n".join([message, *lines[-LOG_LINES:]]))
