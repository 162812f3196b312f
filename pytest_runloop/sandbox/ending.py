"""Ending devboxes, verified: the SDKs' own clean-up swallows every error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_runloop.errors import TeardownError
from pytest_runloop.sandbox.boundary import ApiFailure, DevboxStatus

if TYPE_CHECKING:
    from pytest_runloop.sandbox.boundary import DevboxApi

NOT_FOUND = 404
GONE = ("shutdown", "failure")
"""Statuses that nothing leaves: the machine no longer exists."""

ASIDE = ("suspended", *GONE)


async def delete(api: DevboxApi, *, seconds: float) -> None:
    """Return once a devbox is gone, shutting it down if it is not.

    Raises:
        TeardownError: It could not be verified as gone after *seconds*.
    """
    reason = ""
    status: DevboxStatus | None
    try:
        if (await status_of(api)).status in GONE:
            return
        await api.shutdown()
        status = await _await_status(api, GONE, seconds=seconds)
    except ApiFailure as failure:
        reason, status = f" ({failure})", await _last_word(api)
    if status is None or status.status not in GONE:
        raise _left_behind(api, "deleted", reason, status)


async def verify_suspended(api: DevboxApi, *, seconds: float) -> DevboxStatus:
    """Return the status of a devbox whose suspension was asked for, once it is suspended, or gone.

    Raises:
        TeardownError: It is neither after *seconds*.
    """
    reason = ""
    try:
        status: DevboxStatus | None = await _await_status(api, ASIDE, seconds=seconds)
    except ApiFailure as failure:
        reason, status = f" ({failure})", None
    if status is None or status.status not in ASIDE:
        raise _left_behind(api, "suspended", reason, status)
    return status


async def status_of(api: DevboxApi) -> DevboxStatus:
    """Return a devbox's status; one that nobody knows is shut down.

    Raises:
        ApiFailure: It could not be found out.
    """
    try:
        return await api.status()
    except ApiFailure as failure:
        if failure.status == NOT_FOUND:
            return DevboxStatus("shutdown", "unknown to the server")
        raise


async def _await_status(api: DevboxApi, wanted: tuple[str, ...], *, seconds: float) -> DevboxStatus:
    now = await status_of(api)
    if now.status in wanted:
        return now
    return await api.await_status(*wanted, seconds=seconds)


async def _last_word(api: DevboxApi) -> DevboxStatus | None:
    try:
        return await status_of(api)
    except ApiFailure:
        return None


def _left_behind(api: DevboxApi, aim: str, reason: str, status: DevboxStatus | None) -> TeardownError:
    state = f"It is still {status}" if status else "Its status is unknown"
    remedy = (
        f" and may still be billed; shut it down by hand: POST /v1/devboxes/{api.devbox_id}/shutdown, or in the "
        "Runloop dashboard"
        if api.billed
        else "; it ends with its emulator at the latest"
    )
    return TeardownError(f"devbox {api.devbox_id} could not be {aim}{reason}. {state}{remedy}")
