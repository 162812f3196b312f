"""Trouble that a client wants to see: what there is to want, in tables, and whom it hits. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from random import Random
from typing import Any, TypeVar, cast

from pytest_runloop.emulator.domain import checks
from pytest_runloop.emulator.domain.problems import bad_request

T = TypeVar("T")
_LONGEST_S = 3600.0
_MANY = 1_000_000
_LOWEST, _HIGHEST = 400, 599
RESETS = ("before", "after", "midway")
ENDS = ("suspend", "shutdown")


def _up_to(most: float) -> checks.Check:
    def check(name: str, value: object) -> float:
        number = checks.number(name, value)
        if number > most:
            raise bad_request(f"{name}: {number:g} is more than {most:g}.")
        return number

    return check


def _switch(default: T, check: checks.Check, what: str) -> T:
    """Make a line of a table: its default, what may be said, and what it does."""
    return field(default=default, metadata={"check": check, "what": what})


_SECONDS = _up_to(_LONGEST_S)
_COUNT = checks.integer(0, _MANY)


@dataclass(frozen=True, kw_only=True)
class Chance:
    """How often something goes wrong of the times it could."""

    rate: float = _switch(1.0, _up_to(1), "the probability, each time")
    times: int | None = _switch(None, _COUNT, "after so many it is over; null: never")
    skip: int = _switch(0, _COUNT, "the first so many are spared")


@dataclass(frozen=True, kw_only=True)
class BootFailure(Chance):
    """New devboxes that end as ``failure``."""

    devbox: str = _switch("*", checks.text, "a pattern of names or ids")


@dataclass(frozen=True, kw_only=True)
class Eviction(Chance):
    """Running devboxes that are announced to be evicted, and then are."""

    devbox: str = _switch("*", checks.text, "a pattern of names or ids")
    after_s: float = _switch(0.0, _SECONDS, "the time from running to the announcement")
    notice_s: float = _switch(1.0, _SECONDS, "the time from the announcement to the end")
    ends: str = _switch("suspend", checks.choice(ENDS), "what then happens to it: suspend or shutdown")


@dataclass(frozen=True, kw_only=True)
class Disturbance(Chance):
    """Requests that go wrong, and how."""

    method: str = _switch("*", checks.text, "a pattern of methods")
    path: str = _switch("/v1/*", checks.text, "a pattern of paths")
    delay_s: float = _switch(0.0, _SECONDS, "the time before anything is done")
    status: int | None = _switch(None, checks.integer(_LOWEST, _HIGHEST), "the answer, instead of doing anything")
    retry_after_s: float | None = _switch(None, _SECONDS, "what Retry-After says in that answer")
    reset: str | None = _switch(
        None,
        checks.choice(RESETS),
        "the connection is reset: before anything is done, after it (the answer is lost), or midway in the answer",
    )
    slow_s: float = _switch(0.0, _SECONDS, "the time before each piece of the answer's body")

    def meets(self, method: str, path: str) -> bool:
        """Say whether a request is one that could go wrong."""
        return fnmatchcase(method, self.method) and fnmatchcase(path, self.path)


def _one(kind: type[Chance]) -> checks.Check:
    return lambda name, value: kind(**_table(kind)(name, value))


def _table(kind: type[Any]) -> Any:  # noqa: ANN401 - what a check gives is known by whoever asked for it
    return checks.record({line.name: line.metadata["check"] for line in dataclasses.fields(kind)})


def _disturbances(name: str, value: object) -> tuple[object, ...]:
    found = checks.list_of(_one(Disturbance))(name, value)
    return tuple(cast("list[object]", found))


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """All of it. As made, there is none."""

    seed: int = _switch(0, checks.integer(0, 2**63), "what the rates are drawn with: the same seed, the same sequence")
    boot_s: float = _switch(0.0, _SECONDS, "the additional time that a new devbox takes to boot")
    suspend_s: float = _switch(0.0, _SECONDS, "the additional time that a suspend takes")
    resume_s: float = _switch(0.0, _SECONDS, "the additional time that a resume takes")
    running_devboxes: int | None = _switch(
        None, _COUNT, "how many devboxes may run at once (trial accounts: 3); one more is answered 429"
    )
    out_of_credits: int | None = _switch(
        None, checks.integer(402, 403), "402 or 403: what creating and resuming devboxes is answered"
    )
    failed_boots: BootFailure | None = _switch(None, _one(BootFailure), "new devboxes that end as failure")  # noqa: RUF009 - a field
    evictions: Eviction | None = _switch(None, _one(Eviction), "running devboxes that are evicted")  # noqa: RUF009 - a field
    requests: tuple[Disturbance, ...] = _switch(
        (), _disturbances, "requests that go wrong; the first that is hit counts"
    )

    @property
    def view(self) -> dict[str, Any]:
        """The JSON it is made of."""
        return dataclasses.asdict(self)


def parse_trouble(body: Mapping[str, object]) -> Trouble:
    """Read what trouble is wanted.

    Raises:
        ApiProblem: 400 naming the guilty field.
    """
    wanted: Trouble = Trouble(**_table(Trouble)("", body))
    for index, one in enumerate(wanted.requests):
        where = f"requests[{index}]"
        if one.status is None and one.retry_after_s is not None:
            raise bad_request(f"{where}.retry_after_s: it goes with an answer; give a status too, such as 429.")
        if one.status is not None and one.reset is not None:
            raise bad_request(f"{where}: a status or a reset, not both.")
        if one.status is None and one.reset is None and not one.delay_s and not one.slow_s:
            raise bad_request(f"{where}: nothing would go wrong; give delay_s, status, reset or slow_s.")
    return wanted


def is_meant(pattern: str, *, name: str | None, devbox_id: str) -> bool:
    """Say whether a devbox is one that could be hit."""
    return fnmatchcase(name or "", pattern) or fnmatchcase(devbox_id, pattern)


class Dice:
    """Whether it goes wrong this time: a sequence that depends on the seed and the thing's name, and nothing else."""

    def __init__(self, chance: Chance, *, seed: int, what: str) -> None:
        self._chance = chance
        self._random = Random(f"{seed} {what}")  # noqa: S311 - to be the same each time is its point
        self._thrown = 0
        self._hits = 0

    def hit(self) -> bool:
        """Throw."""
        self._thrown += 1
        if self._thrown <= self._chance.skip or self._hits == self._chance.times:
            return False
        hit = self._random.random() < self._chance.rate
        self._hits += hit
        return hit
