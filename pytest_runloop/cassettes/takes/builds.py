"""Blueprints that this plugin builds: whichever test comes first builds one, and all later ones find it. Pure.

So that a recording says the same in whatever order, account or year it was made, a blueprint is written as if it had
been there: what the search finds is what the build ended in, and the build is left out.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import parse_qs

from pytest_runloop.blueprint import PREFIX
from pytest_runloop.cassettes.exchange import RUNLOOP, Exchange, Response
from pytest_runloop.cassettes.playing import life

_ROUTE = "/v1/blueprints"
_COMPLETE, _FAILED = "build_complete", "failed"
_OK = 200


def folded(exchanges: Sequence[Exchange]) -> tuple[Exchange, ...]:
    """Return exchanges in which every blueprint of ours that got built was there before."""
    folding = _Folding()
    for number, exchange in enumerate(exchanges):
        folding.kept[number] = exchange
        if exchange.request.host == RUNLOOP and exchange.request.path.startswith(_ROUTE):
            folding.add(number, exchange)
    return tuple(folding.kept.values())


class _Folding:
    """One recording, as far as it was gone through.

    Attributes:
        kept: What stays of it, by its place.
    """

    def __init__(self) -> None:
        self.kept: dict[int, Exchange] = {}
        self._empty: dict[str, deque[int]] = defaultdict(deque)
        self._under_way: dict[str, deque[tuple[int, ...]]] = defaultdict(deque)

    def add(self, number: int, exchange: Exchange) -> None:
        request, told = exchange.request, _told(exchange.response)
        path, _, query = request.path.partition("?")
        identifier = str(told.get("id", ""))
        if (request.method, path) == ("GET", _ROUTE):
            name = parse_qs(query).get("name", [""])[0]
            if name.startswith(PREFIX):
                self._search(number, name, told)
        elif (request.method, path) == ("POST", _ROUTE):
            searches = self._empty.get(str(told.get("name")))
            if searches:
                self._under_way[identifier].append((searches.popleft(), number))
        elif request.method == "GET" and told.get("status") == _COMPLETE and self._under_way.get(identifier):
            search, *built = self._under_way[identifier].popleft()
            self.kept[search] = _found(self.kept[search], told)
            for superfluous in (*built, number):
                del self.kept[superfluous]

    def _search(self, number: int, name: str, told: dict[str, object]) -> None:
        listed = told.get("blueprints")
        builds = [build for build in listed if isinstance(build, dict)] if isinstance(listed, list) else None
        if builds is None:
            return
        statuses = [build.get("status") for build in builds]
        if _COMPLETE in statuses:
            self.kept[number] = _found(self.kept[number], builds[statuses.index(_COMPLETE)])
            return
        under_way = [build for build in builds if build.get("status") != _FAILED]
        if under_way:
            self._under_way[str(under_way[0].get("id"))].append((number,))
        else:
            self._empty[name].append(number)


def _found(search: Exchange, build: dict[str, object]) -> Exchange:
    if search.response is None:
        return search
    told = {**_told(search.response), "blueprints": [build]}
    if "total_count" in told:
        told["total_count"] = 1
    return replace(search, response=replace(search.response, chunks=(json.dumps(told).encode(),)))


def _told(response: Response | None) -> dict[str, object]:
    if response is None or response.status != _OK or not response.complete:
        return {}
    return life.fields(response.content)
