"""Routes of the account and of its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.scopes import parse_scopes
from pytest_runloop.emulator.http.answers import Answer, checked_body, emulator, route

if TYPE_CHECKING:
    from starlette.requests import Request

_KEY = {"name": checks.text, "expires_at_ms": checks.integer(1, 2**63 - 1)}
_CREATE = checks.record(_KEY)
_CREATE_RESTRICTED = checks.record({**_KEY, "scopes": checks.list_of(checks.mapping)})


async def me(request: Request) -> Answer:
    """Show the account."""
    account = emulator(request).keys.account()
    return {
        "id": account["id"],
        "name": "Local emulator",
        "created_at": account["created_at"],
        "tier": "ACCOUNT_TIER_ENTERPRISE",
        "account_status": "ACCOUNT_STATUS_ENABLED",
        "billing": {"account_billing_type": "STRIPE", "stripe": None, "aws": None},
    }


async def create_key(request: Request) -> Answer:
    """Make a key that may do everything."""
    given = await checked_body(request, _CREATE)
    made = emulator(request).keys.create(name=given.get("name", ""), expires_at_ms=given.get("expires_at_ms"))
    return {name: value for name, value in made.items() if name != "scopes"}


async def create_restricted_key(request: Request) -> Answer:
    """Make a key that may do what its scopes say."""
    given = await checked_body(request, _CREATE_RESTRICTED)
    return emulator(request).keys.create(
        name=given.get("name", ""),
        expires_at_ms=given.get("expires_at_ms"),
        scopes=parse_scopes(given.get("scopes", [])),
    )


ROUTES = [
    route("GET", "/v1/accounts/me", me),
    route("POST", "/v1/apikeys", create_key),
    route("POST", "/v1/restricted_keys", create_restricted_key),
]
