from __future__ import annotations

import json

import pytest

from pytest_runloop.cassettes.exchange import Exchange, Request, Response
from pytest_runloop.cassettes.playing.replay import Unrecorded
from pytest_runloop.cassettes.takes.taking import Take
from tests.unit.cassettes.asking import BOX, answer, exchange, get, post, run, tape, wait

SUSPEND, RESUME, SHUTDOWN = (post(f"{BOX}/{what}") for what in ("suspend", "resume", "shutdown"))
AIMS = {
    "suspended": ("suspended", "shutdown", "failure"),
    "running": ("running", "shutdown", "failure"),
    "shutdown": ("shutdown", "failure"),
}
CASES = [
    (SUSPEND, "suspending", "suspended"),
    (SUSPEND, "running", "suspended"),
    (RESUME, "suspended", "running"),
    (RESUME, "resuming", "running"),
    (SHUTDOWN, "running", "shutdown"),
    (SUSPEND, "suspending", "failure"),
]


def devbox(status: str) -> Response:
    return answer({"id": "dbx_1", "status": status})


def looked(status: str, *, box: str = BOX) -> Exchange:
    return exchange(get(box), devbox(status))


def waited(status: str, *, aim: str = "", box: str = BOX) -> Exchange:
    return exchange(wait(*AIMS[aim or status], box=box), devbox(status))


def taken(*exchanges: Exchange) -> list[Exchange]:
    take = Take("test")
    for one in exchanges:
        take.end(take.begin(one.request), one.response)
    return list(take.exchanges())


@pytest.mark.parametrize(("change", "before", "after"), CASES)
def test_a_devbox_is_seen_only_where_it_was_to_go(change: Request, before: str, after: str) -> None:
    aim = {SUSPEND.path: "suspended", RESUME.path: "running", SHUTDOWN.path: "shutdown"}[change.path]
    act, wait_ = exchange(change, devbox(before)), waited(after, aim=aim)
    at_once = [act, looked(after)]

    assert taken(*at_once) == at_once
    assert taken(act, looked(before), wait_) == at_once
    assert taken(act, looked(before), looked(before), looked(after)) == at_once
    assert taken(act, looked(before), exchange(wait_.request, answer(status=408)), wait_) == at_once


def test_a_client_that_always_waits_after_its_look_leaves_no_trace_of_it() -> None:
    act = exchange(SUSPEND, devbox("suspending"))

    assert taken(act, looked("suspended"), waited("suspended")) == [act, looked("suspended")]


def test_looks_after_that_are_kept_as_they_are() -> None:
    act = exchange(SUSPEND, devbox("suspending"))
    wanted = [act, looked("suspended"), looked("suspended")]

    assert taken(act, looked("suspending"), waited("suspended"), looked("suspended")) == wanted
    assert taken(act, looked("suspended"), looked("suspended")) == wanted


def test_devboxes_that_change_at_once_are_folded_each_on_its_own() -> None:
    other = BOX.replace("dbx_1", "dbx_2")
    acts = [exchange(post(f"{box}/suspend"), devbox("suspending")) for box in (BOX, other)]

    assert taken(
        *acts,
        looked("suspending"),
        looked("suspending", box=other),
        waited("suspended", box=other),
        waited("suspended"),
    ) == [*acts, looked("suspended"), looked("suspended", box=other)]


@pytest.mark.parametrize(
    "between",
    [
        exchange(run("true")),
        exchange(post(BOX, {"metadata": {}}), devbox("suspending")),
        exchange(get(f"{BOX}/logs")),
        exchange(get(BOX), answer(status=500)),
        exchange(wait("suspending"), devbox("suspending")),
        waited("suspended", aim="running"),
        Exchange(request=wait("suspended"), response=None),
        exchange(wait("suspended"), answer(status=404)),
    ],
)
def test_what_comes_between_keeps_everything_as_it_was(between: Exchange) -> None:
    seen = [exchange(SUSPEND, devbox("suspending")), looked("suspending"), between, waited("suspended")]

    assert taken(*seen) == seen


@pytest.mark.parametrize(
    "first",
    [
        exchange(post("/v1/devboxes/create_and_await_running", {}), devbox("running")),
        exchange(run("sudo poweroff")),
        exchange(get(f"{BOX}/suspend"), answer(status=404)),
        exchange(post(f"{BOX}/suspend", host="8000.dbx_1.sandbox")),
    ],
)
def test_what_changes_by_itself_is_no_change_of_ours(first: Exchange) -> None:
    seen = [first, looked("running"), waited("suspended")]

    assert taken(*seen) == seen


def test_a_wait_in_vain_stays_one() -> None:
    in_vain = exchange(wait(*AIMS["suspended"]), answer(status=408))
    seen = [exchange(SUSPEND, devbox("suspending")), looked("suspending"), in_vain, looked("suspending")]

    assert taken(*seen) == seen


# ── replay ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_wait_gets_the_answer_of_the_look_before_it() -> None:
    playing = tape(
        exchange(wait(*AIMS["suspended"]), answer(status=408)),
        looked("running"),
        exchange(SUSPEND, devbox("suspending")),
        looked("suspended"),
    )
    assert playing.play(wait(*AIMS["suspended"])).status == 408
    playing.play(SUSPEND)

    for _ in range(2):
        assert json.loads(playing.play(wait(*AIMS["suspended"])).content)["status"] == "suspended"
    assert json.loads(playing.play(get(BOX)).content)["status"] == "suspended"


def test_a_look_that_saw_something_else_answers_no_wait() -> None:
    playing = tape(looked("running"), exchange(SUSPEND, devbox("suspending")), looked("suspending"))
    playing.play(SUSPEND)

    with pytest.raises(Unrecorded):
        playing.play(wait(*AIMS["suspended"]))
