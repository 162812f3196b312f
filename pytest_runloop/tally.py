"""What became of a run's sandboxes, as numbers that can be added up and sent between processes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import NamedTuple, Protocol


class Counts(Protocol):
    """The counters of a ``Provisioner``."""

    created: int
    deleted: int
    suspended: int
    left_behind: tuple[str, ...]


class Reuses(Protocol):
    """The counters of a ``Preparations``."""

    @property
    def made(self) -> int: ...
    @property
    def found(self) -> int: ...
    @property
    def forked(self) -> int: ...
    @property
    def resumed(self) -> int: ...
    @property
    def problems(self) -> tuple[str, ...]: ...
    @property
    def swept(self) -> tuple[str, ...]: ...


class Records(Protocol):
    """The counters of a ``Recorder``."""

    @property
    def counts(self) -> Mapping[str, int]: ...
    @property
    def written(self) -> Iterable[str]: ...
    @property
    def used(self) -> Iterable[str]: ...


# A named tuple costs every pytest run of every project a quarter of what a dataclass does.
class Tally(NamedTuple):
    """A sum over provisioners, preparations and workers.

    Attributes:
        created: Devboxes made.
        deleted: Devboxes seen to be gone.
        suspended: Devboxes seen to be suspended, as ``pause_on_exit`` asked.
        left_behind: Ids of devboxes that could not be verified as gone.
        prepared: Set-ups prepared.
        found: Set-ups found prepared.
        forked: Sandboxes made from a prepared disk.
        resumed: Sandboxes resumed.
        problems: What was wrong with something prepared, and what was done about it.
        swept: What earlier runs had prepared, and was deleted because it had expired.
        replayed: Tests that replayed a cassette.
        recorded: Tests that recorded one.
        verified: Tests that were compared with theirs.
        written: Cassettes that were written, from the root directory.
        used: Cassettes that were replayed, or belong to tests that were skipped; a folder ends with a slash.
        skipped: Tests that were skipped; what they share with others is unknown.
        deselected: Tests that were collected, and not run.
        lost_workers: xdist workers that crashed and took their numbers with them.
    """

    created: int = 0
    deleted: int = 0
    suspended: int = 0
    left_behind: tuple[str, ...] = ()
    prepared: int = 0
    found: int = 0
    forked: int = 0
    resumed: int = 0
    problems: tuple[str, ...] = ()
    swept: tuple[str, ...] = ()
    replayed: int = 0
    recorded: int = 0
    verified: int = 0
    written: tuple[str, ...] = ()
    used: tuple[str, ...] = ()
    skipped: int = 0
    deselected: int = 0
    lost_workers: int = 0

    @classmethod
    def of(
        cls, provisioners: Iterable[Counts], preparations: Iterable[Reuses] = (), *, records: Records | None = None
    ) -> Tally:
        """Add up the counters of a process."""
        made = [
            cls(created=one.created, deleted=one.deleted, suspended=one.suspended, left_behind=tuple(one.left_behind))
            for one in provisioners
        ]
        reused = [
            cls(
                prepared=one.made,
                found=one.found,
                forked=one.forked,
                resumed=one.resumed,
                problems=tuple(one.problems),
                swept=tuple(one.swept),
            )
            for one in preparations
        ]
        return total((*made, *reused, *([] if records is None else [cls._recorded(records)])))

    @classmethod
    def _recorded(cls, records: Records) -> Tally:
        counts = records.counts
        return cls(
            replayed=counts.get("replay", 0),
            recorded=counts.get("record", 0),
            verified=counts.get("verify", 0),
            written=tuple(sorted(records.written)),
            used=tuple(sorted(records.used)),
            skipped=counts.get("skipped", 0),
            deselected=counts.get("deselected", 0),
        )

    def sendable(self) -> dict[str, object]:
        """Return what xdist can carry; ``Tally(**…)`` reads it again."""
        return self._asdict()


def total(tallies: Iterable[Tally]) -> Tally:
    """Add up tallies, field by field."""
    return reduce(_added, tallies, Tally())


def _added(one: Tally, other: Tally) -> Tally:
    return Tally(**{name: getattr(one, name) + getattr(other, name) for name in Tally._fields})
