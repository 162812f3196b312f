from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from pytest_runloop.cassettes.exchange import Request, Response
from pytest_runloop.cassettes.takes.taking import Take

BOX = "/v1/devboxes/dbx_1"
RUN = f"{BOX}/executions/e1"
RUNNING = ("running", "failure", "shutdown")


def post(path: str, body: Any = None) -> Request:  # noqa: ANN401 - JSON
    content = b"" if body is None else json.dumps(body).encode()
    return Request(method="POST", host="runloop", path=path, content_type="application/json", body=content)


def get(path: str, *, host: str = "runloop") -> Request:
    return Request(method="GET", host=host, path=path)


def wait(path: str = BOX, *statuses: str, timeout_s: float = 25.0) -> Request:
    return post(f"{path}/wait_for_status", {"statuses": statuses or RUNNING, "timeout_seconds": timeout_s})


def answer(status: str = "", *, code: int = 200, complete: bool = True, retry: str = "") -> Response:
    content = json.dumps({"status": status} if status else {}).encode()
    headers = {"x-should-retry": retry} if retry else {}
    return Response(status=code, headers=headers, chunks=(content,), complete=complete)


def times_up() -> Response:
    return answer(code=408)


def taken(*calls: tuple[Request, Response | None] | tuple[Request, Response | None, str]) -> list[int]:
    """Return which of the calls a replay gets."""
    take = Take("test")
    for request, _, *retry_of in calls:
        take.begin(request, *retry_of)
    for number, (_, response, *_) in enumerate(calls):
        take.end(number, response)
    answers = [response for _, response, *_ in calls]
    numbers = []
    for exchange in take.exchanges():
        numbers += [number for number, one in enumerate(answers) if one is exchange.response][:1]
    return numbers


# ── order ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_requests_are_kept_in_the_order_in_which_they_were_sent() -> None:
    take = Take("test")
    first, second = take.begin(get("/a")), take.begin(get("/b"))

    take.end(second, answer("late"))
    take.end(first, answer("early"))

    assert [exchange.request.path for exchange in take.exchanges()] == ["/a", "/b"]
    assert [exchange.response for exchange in take.exchanges()] == [answer("early"), answer("late")]


def test_what_was_given_up_has_no_answer() -> None:
    take = Take("test")
    take.end(take.begin(get("/a")), None)
    take.begin(get("/b"))

    assert [exchange.response for exchange in take.exchanges()] == [None, None]


def test_many_threads_take_one_recording() -> None:
    take = Take("test")

    def send(thread: int) -> None:
        for number in range(200):
            path = f"/{thread}/{number}"
            take.end(take.begin(get(path)), answer(path))

    threads = [threading.Thread(target=send, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = [(exchange.request.path, exchange.response) for exchange in take.exchanges()]
    assert len(found) == 1600
    assert all(response == answer(path) for path, response in found)


# ── retries ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("code", [408, 409, 429, 500, 503])
def test_only_the_last_attempt_of_a_call_is_kept(code: int) -> None:
    create = post("/v1/devboxes")

    assert taken((create, answer(code=code), "id-1"), (create, None, "id-1"), (create, answer("running"), "id-1")) == [
        2
    ]


def test_it_keeps_the_place_of_the_first() -> None:
    """Two equal calls at once: whichever had to be repeated, the first gets the first answer."""
    create = post("/v1/devboxes")

    assert taken((create, answer(code=503), "a"), (create, answer("b"), "b"), (create, answer("a"), "a")) == [2, 1]


def test_an_answer_that_ends_a_call_stays_though_its_id_is_used_again() -> None:
    create = post("/v1/devboxes")

    assert taken((create, answer("running"), "key"), (create, answer("running", code=201), "key")) == [0, 1]


def test_a_refusal_that_forbids_a_retry_stays() -> None:
    suspend = post(f"{BOX}/suspend")
    refused = answer(code=409, retry="false")

    assert taken((suspend, refused, "key"), (suspend, answer("suspending"), "key")) == [0, 1]


def test_an_answer_cut_off_half_way_was_retried() -> None:
    create = post("/v1/devboxes")

    assert taken((create, answer("running", complete=False), "a"), (create, answer("running"), "a")) == [1]


def test_calls_of_other_ids_are_no_retries() -> None:
    create = post("/v1/devboxes")

    assert taken((create, answer(code=503), "a"), (create, answer("running"), "b")) == [0, 1]


def test_a_user_who_asks_again_is_no_retry() -> None:
    health = get("/health", host="8000.dbx_1.sandbox")

    assert taken((health, answer(code=503)), (health, answer(code=200))) == [0, 1]


# ── polls ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_polls_in_vain_are_dropped_once_one_got_there() -> None:
    calls = [
        (wait(), times_up()),
        (wait(timeout_s=12.5), answer("provisioning")),
        (wait(), None),
        (wait(), answer("running")),
    ]

    assert taken(*calls) == [3]


def test_the_order_of_statuses_makes_no_other_poll() -> None:
    assert taken((wait(BOX, "a", "b"), times_up()), (wait(BOX, "b", "a"), answer("a"))) == [1]


def test_polls_that_never_got_there_are_what_a_timeout_looks_like() -> None:
    assert taken((wait(), times_up()), (wait(), answer("provisioning")), (wait(), None)) == [0, 1, 2]


def test_two_polls_that_got_there_are_both_kept() -> None:
    """A resume waits twice, in two layers of the client."""
    calls = [
        (post(f"{BOX}/resume"), answer("resuming")),
        (wait(), times_up()),
        (wait(), answer("running")),
        (wait(), answer("running", code=200)),
    ]

    assert taken(*calls) == [0, 2, 3]


@pytest.mark.parametrize("what", ["suspend", "shutdown", "resume", "shutdown?force=true"])
def test_a_poll_before_something_was_done_to_the_devbox_is_kept(what: str) -> None:
    calls = [(wait(), times_up()), (post(f"{BOX}/{what}"), answer("x")), (wait(), answer("running"))]

    assert taken(*calls) == [0, 1, 2]


def test_what_is_done_to_another_devbox_does_not_count() -> None:
    calls = [
        (wait(), times_up()),
        (post("/v1/devboxes/dbx_2/suspend"), answer("suspending")),
        (wait(), answer("running")),
    ]

    assert taken(*calls) == [1, 2]


def test_waiting_for_something_else_is_another_poll() -> None:
    assert taken((wait(BOX, "running"), times_up()), (wait(BOX, "suspended"), answer("suspended"))) == [0, 1]
    assert taken((wait(BOX), times_up()), (wait("/v1/devboxes/dbx_2"), answer("running"))) == [0, 1]


def test_a_command_is_waited_for_once() -> None:
    calls = [(wait(RUN, "completed"), times_up()), (wait(RUN, "completed"), answer("completed"))]

    assert taken(*calls) == [1]


@pytest.mark.parametrize("path", [f"{RUN}/kill", f"{BOX}/shutdown"])
def test_a_command_that_was_killed_had_timed_out(path: str) -> None:
    calls = [
        (wait(RUN, "completed"), times_up()),
        (post(path), answer("running")),
        (wait(RUN, "completed"), answer("completed")),
    ]

    assert taken(*calls) == [0, 1, 2]


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("/v1/devboxes/disk_snapshots/snp_1/status", "in_progress", "complete"),
        ("/v1/devboxes/disk_snapshots/snp_1/status", "in_progress", "error"),
        ("/v1/blueprints/bpt_1", "building", "build_complete"),
        ("/v1/blueprints/bpt_1", "queued", "failed"),
        (RUN, "running", "completed"),
    ],
)
def test_reads_of_something_on_its_way_are_polls(path: str, before: str, after: str) -> None:
    assert taken((get(path), answer(before)), (get(path), answer(after))) == [1]
    assert taken((get(path), answer(before)), (get(path), answer(before, code=200))) == [0, 1]
    assert taken((get(path), answer(after)), (get(path), answer(after, code=200))) == [0, 1]


def test_reads_of_a_devbox_are_no_polls() -> None:
    assert taken((get(BOX), answer("provisioning")), (get(BOX), answer("running"))) == [0, 1]


def test_refusals_are_answers() -> None:
    calls = [(wait(), answer(code=404)), (wait(), answer(code=500)), (wait(), answer("running"))]

    assert taken(*calls) == [0, 1, 2]


def test_other_hosts_have_no_polls_of_ours() -> None:
    request = Request(
        method="POST", host="8000.dbx_1.sandbox", path=f"{BOX}/wait_for_status", body=b'{"statuses":["a"]}'
    )

    assert taken((request, times_up()), (request, answer("a"))) == [0, 1]
