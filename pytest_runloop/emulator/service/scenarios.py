"""Scenarios, and the custom scorers they may name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_runloop.emulator.domain.catalog import Record
from pytest_runloop.emulator.domain.problems import bad_request
from pytest_runloop.emulator.domain.scenarios import custom_types
from pytest_runloop.emulator.service.catalog import Catalog

if TYPE_CHECKING:
    from pytest_runloop.emulator.service.store import Store


class Scenarios:
    """What can be run, and what scores it.

    Attributes:
        catalog: The scenarios.
        scorers: The custom scorers, which scenarios name by their type.
    """

    def __init__(self, store: Store) -> None:
        self.catalog = Catalog(store, kind="Scenario", prefix="scn")
        self.scorers = Catalog(store, kind="Scorer", prefix="scr")

    async def create(self, fields: Mapping[str, Any], *, request_id: str) -> Record:
        """Keep a scenario.

        Raises:
            ApiProblem: 400, if it names a custom scorer that isn't there.
        """
        self._check_types(fields)
        return await self.catalog.create(fields, request_id=request_id)

    def save(self, record: Record) -> Record:
        """Keep what became of a scenario.

        Raises:
            ApiProblem: As ``create``.
        """
        self._check_types(record.fields)
        return self.catalog.save(record)

    async def create_scorer(self, fields: Mapping[str, Any], *, request_id: str) -> Record:
        """Keep a custom scorer.

        Raises:
            ApiProblem: 400, if there is one of its type.
        """

        async def begin() -> str:
            self._check_free(fields["type"], besides="")
            return self.scorers.add(Record(id=self.scorers.fresh_id(), fields=fields)).id

        return await self.scorers.once(begin, request_id=request_id)

    def update_scorer(self, scorer_id: str, fields: Mapping[str, Any]) -> Record:
        """Change a custom scorer.

        Raises:
            ApiProblem: 404, or 400 if there is another one of its type.
        """
        with self.scorers.alone():
            record = self.scorers.get(scorer_id)
            self._check_free(fields["type"], besides=scorer_id)
            return self.scorers.save(record.but(**fields))

    def _check_free(self, kind: str, *, besides: str) -> None:
        if any(one.fields["type"] == kind and one.id != besides for one in self.scorers.all()):
            raise bad_request(f"type: a custom scorer of type {kind!r} already exists; update it instead.")

    def _check_types(self, fields: Mapping[str, Any]) -> None:
        missing = custom_types(fields) - {one.fields["type"] for one in self.scorers.all()}
        if missing:
            raise bad_request(f"scoring_contract: there is no custom scorer of type {min(missing)!r}; create it first.")
