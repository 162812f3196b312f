from __future__ import annotations

import json

import pytest

from pytest_runloop.blueprint import PREFIX
from pytest_runloop.cassettes.exchange import Exchange, Response
from pytest_runloop.cassettes.takes.taking import Take
from tests.unit.cassettes.asking import answer, exchange, get, post

OURS, THEIRS = f"{PREFIX}0123", "theirs"


def view(status: str, number: int = 1, *, name: str = OURS) -> dict[str, object]:
    return {"id": f"bpt_{number}", "name": name, "status": status}


def search(*builds: dict[str, object], name: str = OURS) -> Exchange:
    found = answer({"blueprints": builds, "has_more": False, "total_count": len(builds)})
    return exchange(get(f"/v1/blueprints?limit=1000&name={name}"), found)


def build(status: str = "building", number: int = 1, *, name: str = OURS) -> Exchange:
    return exchange(post("/v1/blueprints", {"name": name}), answer(view(status, number, name=name)))


def look(status: str, number: int = 1, *, name: str = OURS) -> Exchange:
    return exchange(get(f"/v1/blueprints/bpt_{number}"), answer(view(status, number, name=name)))


def taken(*exchanges: Exchange) -> list[Exchange]:
    take = Take("test")
    for one in exchanges:
        take.end(take.begin(one.request), one.response)
    return list(take.exchanges())


MADE = exchange(post("/v1/devboxes", {"blueprint_name": OURS}), answer({"id": "dbx_1", "status": "running"}))
THERE = [search(view("build_complete")), MADE]


@pytest.mark.parametrize(
    "seen",
    [
        [search(view("build_complete"))],
        [search(), build(), look("building"), look("build_complete")],
        [search(), build("queued"), look("build_complete")],
        [search(view("building")), look("building"), look("build_complete")],
        [search(view("failed", 7)), build(), look("build_complete")],
        [search(view("failed", 7), view("build_complete"), view("build_complete", 8))],
    ],
)
def test_whoever_builds_a_blueprint_it_is_written_as_if_it_had_been_there(seen: list[Exchange]) -> None:
    assert taken(*seen, MADE) == THERE


def test_two_that_build_at_once_each_find_their_own() -> None:
    seen = [search(), search(), build(number=1), build(number=2), look("build_complete", 2), look("build_complete", 1)]

    assert taken(*seen) == [search(view("build_complete", 1)), search(view("build_complete", 2))]


def test_two_that_wait_for_the_same_build_both_find_it_and_a_later_look_stays() -> None:
    later = look("build_complete")
    seen = [search(view("building")), search(view("building")), look("build_complete"), look("build_complete"), later]

    assert taken(*seen) == [search(view("build_complete")), search(view("build_complete")), later]


@pytest.mark.parametrize(
    "last", [look("failed"), look("building"), exchange(get("/v1/blueprints/bpt_1"), answer(status=404))]
)
def test_a_build_that_came_to_nothing_is_what_happened(last: Exchange) -> None:
    seen = [search(), build(), last]

    assert taken(*seen) == seen


@pytest.mark.parametrize("status", [500, 404])
def test_a_search_without_an_answer_finds_nothing(status: int) -> None:
    seen = [exchange(search().request, Response(status=status)), build(), look("build_complete")]

    assert taken(*seen) == seen


def test_somebody_s_own_blueprints_are_none_of_ours() -> None:
    seen = [search(name=THEIRS), build(name=THEIRS), look("build_complete", name=THEIRS)]

    assert taken(*seen) == seen
    assert json.loads(taken(search(view("failed"), name=THEIRS))[0].response.content)["total_count"] == 1  # type: ignore[union-attr]
