"""The account of a state directory, and the API keys made for it. Only digests of the keys are kept."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_runloop.emulator.domain.problems import ApiProblem, bad_request
from pytest_runloop.emulator.domain.scopes import allowed, needed
from pytest_runloop.emulator.service.identity import fresh_id, fresh_key, now_ms

if TYPE_CHECKING:
    from pytest_runloop.emulator.service.store import Store

_ME = "me"


class Keys:
    """The account and its keys. Made when first needed."""

    def __init__(self, store: Store) -> None:
        self._accounts = store.documents("account")
        self._keys = store.documents("api_key")

    def account(self) -> dict[str, Any]:
        """Give the account's record."""
        created = dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds")
        self._accounts.add(_ME, {"id": fresh_id("acc"), "created_at": created})  # only the first one counts
        account = self._accounts.get(_ME)
        assert account is not None  # noqa: S101 - it was added
        return account

    def create(
        self, *, name: str, expires_at_ms: int | None, scopes: Sequence[Mapping[str, str]] | None = None
    ) -> dict[str, Any]:
        """Make a key.

        Args:
            name: What its owner calls it.
            expires_at_ms: When it ends; None for never.
            scopes: What it may do; None for everything.

        Returns:
            Its record, with the key itself, which is not kept.

        Raises:
            ApiProblem: 400, if it would have ended already.
        """
        if expires_at_ms is not None and expires_at_ms <= now_ms():
            raise bad_request(f"expires_at_ms: {expires_at_ms} is over; give a time to come.")
        secret = f"{'ak' if scopes is None else 'rk'}_{fresh_key(43)}"
        record = {"id": fresh_id("key"), "name": name, "expires_at_ms": expires_at_ms, "scopes": scopes}
        self._keys.add(_digest(secret), record)
        return {**record, "key_secret": secret}

    def check(self, secret: str, *, method: str, path: str) -> bool:
        """Say whether a key is one of the account's and still good.

        Raises:
            ApiProblem: 403, if it is restricted and may not do this.
        """
        record = self._keys.get(_digest(secret))
        if record is None or (record["expires_at_ms"] is not None and record["expires_at_ms"] <= now_ms()):
            return False
        kind, level = needed(method, path)
        if record["scopes"] is not None and not allowed(record["scopes"], kind=kind, level=level):
            raise ApiProblem(403, f"{method} {path}: the restricted key {record['name']!r} lacks {level} on {kind}.")
        return True


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
