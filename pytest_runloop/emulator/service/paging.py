"""Cutting lists into pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from pytest_runloop.emulator.domain.problems import bad_request

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
    """Cut a page out of a list.

    Raises:
        ApiProblem: 400, if ``starting_after`` isn't in the list.
    """
    everything = list(items)
    start = 0
    if cursor.starting_after is not None:
        positions = [index for index, item in enumerate(everything) if item.id == cursor.starting_after]
        if not positions:
            raise bad_request(f"starting_after: {cursor.starting_after!r} is not in this list.")
        start = positions[0] + 1
    end = start + cursor.limit
    return Page(items=everything[start:end], has_more=end < len(everything), total_count=len(everything))
