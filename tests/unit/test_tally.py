"""Numbers of sandboxes, added up."""

from __future__ import annotations

from typing import Any, cast

from pytest_runloop.tally import Tally, total


def test_parts_are_added() -> None:
    one = Tally(created=3, deleted=1, suspended=1, left_behind=("a",))
    two = Tally(created=1, left_behind=("b",), lost_workers=1)

    assert total([one, two]) == Tally(created=4, deleted=1, suspended=1, left_behind=("a", "b"), lost_workers=1)


def test_nothing_is_nothing() -> None:
    assert Tally.of([]) == Tally()


def test_it_survives_being_sent() -> None:
    tally = Tally(created=3, left_behind=("a",))

    assert Tally(**cast("dict[str, Any]", tally.sendable())) == tally
