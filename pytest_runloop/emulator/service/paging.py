"""Cutting lists into pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from pytest_runloop.emulator.domain.problems import bad_request
from pytest_runloop.emulator.service.identity import is_fresh

DEFAULT_LIMIT = 20
MAX_LIMIT = 5000


class Identified(Protocol):
    """Anything with an id."""

    @property
    def id(self) -> str:
        """Its id."""
        ...


Item = TypeVar("Item", bound=Identified)


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """Which page is wanted.

    Attributes:
        starting_after: Id of the last item the client has; None for the first page.
    """

    limit: int = DEFAULT_LIMIT
    starting_after: str | None = None


@dataclass(frozen=True, kw_only=True)
class Page(Generic[Item]):
    """Some items of a list, whether more follow, and how many there are in all."""

    items: list[Item]
    has_more: bool
    total_count: int


def paginate(items: Iterable[Item], cursor: Cursor) -> Page[Item]:
    """Cut a page out of a list, which is newest first.

    Raises:
        ApiProblem: 400, if ``starting_after`` never was in such a list.
    """
    everything = list(items)
    start = 0 if cursor.starting_after is None else _after([item.id for item in everything], cursor.starting_after)
    end = start + cursor.limit
    return Page(items=everything[start:end], has_more=end < len(everything), total_count=len(everything))


def _after(ids: list[str], last: str) -> int:
    """Say where to go on. The last one may be gone: who deletes what a page shows asks for the next one so."""
    if last in ids:
        return ids.index(last) + 1
    if not is_fresh(last):
        raise bad_request(f"starting_after: {last!r} is not in this list.")
    older = (index for index, one in enumerate(ids) if one < last or not is_fresh(one))
    return next(older, len(ids))
