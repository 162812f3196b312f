"""The exchanges of a cassette, found by what their requests mean.

Where requests go is known at once; what their bodies mean is found out when one that goes the same way is looked for.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pytest_runloop.cassettes.exchange import Exchange, Request
from pytest_runloop.cassettes.playing import beginnings, changes, life, meaning
from pytest_runloop.cassettes.playing.beginnings import Begun
from pytest_runloop.cassettes.playing.meaning import Meaning, Rules

_CONSIDERED = 64
"""How many exchanges that mean the same are looked through for the one with the same volatile values."""


@dataclass(kw_only=True, eq=False)
class Slot:
    """One exchange, and how often it was played.

    Attributes:
        number: Its place in the cassette, from 1.
        age: How often what it looks at had changed before; 0 for what does not only look.
    """

    number: int
    exchange: Exchange
    age: int = 0
    played: int = 0


@dataclass(eq=False)
class Row:
    """All exchanges that mean the same, in the order of the cassette."""

    slots: list[Slot] = field(default_factory=list)
    waiting: list[tuple[Slot, tuple[str, ...]]] = field(default_factory=list)

    def taken(self, volatile: Sequence[str]) -> tuple[Slot, tuple[str, ...]] | None:
        """Take the next one, preferably one with the same volatile values; None if all were taken."""
        if not self.waiting:
            return None
        at = 0
        if volatile and self.waiting[0][1] != volatile:
            near = range(min(_CONSIDERED, len(self.waiting)))
            at = next((index for index in near if self.waiting[index][1] == volatile), 0)
        return self.waiting.pop(at)


@dataclass(eq=False)
class _Way:
    """All exchanges that went one way, in the order of the cassette; what the first of them mean is known."""

    slots: list[Slot] = field(default_factory=list)
    read: int = 0


@dataclass(eq=False)
class _Age:
    """Looks at one thing that mean the same, between two changes of it."""

    slots: list[Slot] = field(default_factory=list)
    _next: int = 0

    def waiting(self) -> Slot | None:
        """Return the first that was not played."""
        while self._next < len(self.slots) and self.slots[self._next].played:
            self._next += 1
        return self.slots[self._next] if self._next < len(self.slots) else None


@dataclass(eq=False)
class Looks:
    """All looks at one thing that mean the same, by how often the thing had changed."""

    ages: dict[int, _Age] = field(default_factory=dict)

    @property
    def slots(self) -> list[Slot]:
        """All of them."""
        return [slot for age in self.ages.values() for slot in age.slots]

    def taken(self, age: int) -> Slot:
        """Return the look to answer with: never one from before or after a change, if that can be helped."""
        own = self.ages.get(age)
        if own is not None:
            return own.waiting() or own.slots[-1]
        waiting = (one.waiting() for one in self.ages.values())
        return next(filter(None, waiting), None) or self.slots[-1]


class Shelf:
    """The exchanges of one cassette. Not thread-safe.

    Attributes:
        slots: All of them, in order.
        played: How many answers were taken.
        last: The one that was taken last.
    """

    def __init__(self, exchanges: Sequence[Exchange], *, rules: Rules) -> None:
        self.rules = rules
        self.slots: list[Slot] = []
        self.last: Slot | None = None
        self.played = 0
        self._ages: Counter[str] = Counter()
        self._ways: defaultdict[str, _Way] = defaultdict(_Way)
        self._rows: dict[str, Row] = {}
        self._looks: dict[str, Looks] = {}
        self._begun: dict[str, tuple[Begun, Slot]] | None = None
        self._latest: tuple[Request, Meaning] | None = None
        self._fill(exchanges)

    def take(self, request: Request) -> tuple[Slot, Sequence[str], Sequence[str]] | None:
        """Take what answers a request.

        Returns:
            It, and the volatile values of its request and of this one; None if there is nothing left that does.
        """
        for asked in filter(None, (request, meaning.alias(request))):
            means = self._means(asked)
            found = self._taken(asked, means)
            if found is not None:
                slot, volatile = found
                slot.played += 1
                self.played += 1
                self.last = slot
                for thing in life.changed(request):
                    self._ages[thing] += 1
                return slot, volatile, means.volatile
        return None

    def same_way(self, request: Request) -> list[Slot]:
        """Return what went where a request goes."""
        ways = [meaning.route(one, self.rules) for one in (request, meaning.alias(request)) if one is not None]
        return [slot for way in ways for slot in self._ways[way].slots]

    def same(self, request: Request) -> list[Slot]:
        """Return what means the same as a request, played or not."""
        means = self._means(request)
        self._read(means.way, until=None)
        found = self._looks.get(means.key) or self._rows.get(means.key)
        return found.slots if found is not None else []

    def text(self, request: Request) -> str:
        """Return what a request means as lines."""
        return self._means(request).text

    def unplayed(self) -> Iterator[Slot]:
        """Yield what no request asked for, looks left out."""
        return (slot for slot in self.slots if not slot.played and not life.looks(slot.exchange.request))

    def _fill(self, exchanges: Sequence[Exchange]) -> None:
        ages: Counter[str] = Counter()
        for number, exchange in enumerate(exchanges, start=1):
            request = exchange.request
            age = ages[life.looked_at(request)] if life.looks(request) else 0
            slot = Slot(number=number, exchange=exchange, age=age)
            self.slots.append(slot)
            self._ways[meaning.route(request, self.rules)].slots.append(slot)
            for thing in life.changed(request):
                ages[thing] += 1

    def _means(self, request: Request) -> Meaning:
        # What nothing answers is asked about several times, and a body may be long.
        if self._latest is None or self._latest[0] is not request:
            self._latest = request, meaning.of(request, self.rules)
        return self._latest[1]

    def _means_too(self, recorded: Request) -> Meaning:
        # As a rule it is the very request that is looked for.
        if self._latest is not None and self._latest[0] == recorded:
            return self._latest[1]
        return meaning.of(recorded, self.rules)

    def _taken(self, request: Request, means: Meaning) -> tuple[Slot, tuple[str, ...]] | None:
        # With volatile values there may be a better one further on.
        self._read(means.way, until=None if means.volatile else means.key)
        if not life.looks(request):
            row = self._rows.get(means.key)
            return row.taken(means.volatile) if row is not None else None
        age, looks = self._ages[life.looked_at(request)], self._looks.get(means.key)
        if looks is None or age not in looks.ages:
            slot = self._beginning(request) or self._seen(request, age)
            if slot is not None or looks is None:
                return None if slot is None else (slot, means.volatile)
        slot = looks.taken(age)
        return slot, meaning.of(slot.exchange.request, self.rules).volatile

    def _beginning(self, request: Request) -> Slot | None:
        """Return what began the thing that is looked at, if its answer said all that there is to be waited for."""
        if self._begun is None:
            known = ((beginnings.begun(slot.exchange), slot) for slot in self.slots)
            self._begun = {begun.thing: (begun, slot) for begun, slot in known if begun is not None}
        begun, slot = self._begun.get(beginnings.looked_at(request), (None, None))
        if begun is None or not begun.answers(request):
            return None
        return slot if begun.is_command or not self._ages[life.looked_at(request)] else None

    def _seen(self, request: Request, age: int) -> Slot | None:
        """Return the look that saw what is waited for, if nothing has changed since."""
        box = beginnings.looked_at(request)
        if not box or request.method == "GET":
            return None
        look = Request(method="GET", host=request.host, path=box)
        self._read(meaning.route(look, self.rules), until=None)
        looks = self._looks.get(meaning.of(look, self.rules).key, Looks())
        own = looks.ages.get(age, _Age())
        return next((slot for slot in own.slots if changes.said(slot.exchange, request)), None)

    def _read(self, way: str, *, until: str | None) -> None:
        """Find out what those that went one way mean, until one waits that means what is looked for."""
        gone = self._ways[way]
        while gone.read < len(gone.slots) and not (until is not None and self._waits(until)):
            slot = gone.slots[gone.read]
            gone.read += 1
            means = self._means_too(slot.exchange.request)
            if life.looks(slot.exchange.request):
                self._looks.setdefault(means.key, Looks()).ages.setdefault(slot.age, _Age()).slots.append(slot)
                continue
            row = self._rows.setdefault(means.key, Row())
            row.slots.append(slot)
            row.waiting.append((slot, means.volatile))

    def _waits(self, key: str) -> bool:
        row = self._rows.get(key)
        return row is not None and bool(row.waiting)
