"""What became of a run's sandboxes, as numbers that can be added up and sent between processes. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Protocol


class Counts(Protocol):
    """The counters of a ``Provisioner``."""

    created: int
    deleted: int
    suspended: int
    left_behind: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Tally:
    """A sum over provisioners and workers.

    Attributes:
        created: Devboxes made.
        deleted: Devboxes seen to be gone.
        suspended: Devboxes seen to be suspended, as ``pause_on_exit`` asked.
        left_behind: Ids of devboxes that could not be verified as gone.
        lost_workers: xdist workers that crashed and took their numbers with them.
    """

    created: int = 0
    deleted: int = 0
    suspended: int = 0
    left_behind: tuple[str, ...] = ()
    lost_workers: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            created=self.created + other.created,
            deleted=self.deleted + other.deleted,
            suspended=self.suspended + other.suspended,
            left_behind=self.left_behind + other.left_behind,
            lost_workers=self.lost_workers + other.lost_workers,
        )

    @classmethod
    def of(cls, provisioners: Iterable[Counts]) -> Tally:
        """Add up the counters of provisioners."""
        parts = (
            cls(created=one.created, deleted=one.deleted, suspended=one.suspended, left_behind=tuple(one.left_behind))
            for one in provisioners
        )
        return sum(parts, start=cls())

    def sendable(self) -> dict[str, object]:
        """Return what xdist can carry; ``Tally(**…)`` reads it again."""
        return asdict(self)
