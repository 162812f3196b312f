"""Secrets of the account: kept in the store, given to devboxes, never given back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_runloop.emulator.domain.problems import bad_request, not_found
from pytest_runloop.emulator.domain.records import Secret
from pytest_runloop.emulator.service.idempotency import OnceOnly
from pytest_runloop.emulator.service.identity import fresh_id, now_ms

if TYPE_CHECKING:
    from pytest_runloop.emulator.service.store import Store

_NAME = re.compile(r"[A-Za-z0-9_-]+")


class Secrets:
    """All secrets of the state directory."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._once = OnceOnly()

    async def create(self, name: str, value: str, *, request_id: str) -> Secret:
        """Keep a new secret; a repeat of the request gives the same one.

        Raises:
            ApiProblem: 400, if the name is taken or no name.
        """

        async def begin() -> str:
            return self._add(name, value)

        return self.get(await self._once.make(("secret", request_id), begin))

    def get(self, name: str) -> Secret:
        """Find a secret.

        Raises:
            ApiProblem: 404.
        """
        secret = self._store.secret(name)
        if secret is None:
            raise not_found("Secret", name)
        return secret

    def update(self, name: str, value: str) -> Secret:
        """Give a secret a new value; devboxes that exist keep the old one.

        Raises:
            ApiProblem: 404.
        """
        secret = replace(self.get(name), value=value, update_time_ms=now_ms())
        self._store.save_secret(secret)
        return secret

    def delete(self, name: str) -> Secret:
        """Forget a secret and give its last record.

        Raises:
            ApiProblem: 404.
        """
        secret = self.get(name)
        self._store.delete_secret(name)
        return secret

    def all(self) -> list[Secret]:
        """List all secrets, newest first."""
        return list(self._store.secrets())

    def resolve(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """Give the values for a devbox's environment.

        Args:
            wanted: Secret name by variable name.

        Raises:
            ApiProblem: 400, if there is no such secret.
        """
        found = {variable: self._store.secret(name) for variable, name in wanted.items()}
        for variable, secret in found.items():
            if secret is None:
                raise bad_request(f"secrets[{variable!r}]: there is no secret {wanted[variable]!r}; create it first.")
        return {variable: secret.value for variable, secret in found.items() if secret is not None}

    def _add(self, name: str, value: str) -> str:
        if not _NAME.fullmatch(name):
            raise bad_request(f"name: {name!r} can't name a secret; use letters, digits, underscores and hyphens.")
        now = now_ms()
        secret = Secret(id=fresh_id("sec"), name=name, value=value, create_time_ms=now, update_time_ms=now)
        if not self._store.add_secret(secret):
            raise bad_request(f"name: a secret {name!r} already exists; update it instead.")
        return name
