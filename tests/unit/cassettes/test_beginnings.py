from __future__ import annotations

import json

import pytest

from pytest_runloop.cassettes.exchange import Exchange, Request, Response
from pytest_runloop.cassettes.playing.replay import Unrecorded
from pytest_runloop.cassettes.takes.taking import Take
from tests.unit.cassettes.asking import BOX, answer, exchange, get, post, run, tape, wait

CREATE = "/v1/devboxes/create_and_await_running"


def execution(status: str, number: int = 1, **more: object) -> Response:
    said = {"stdout": "hi\n", "exit_status": 0} if status == "completed" else {}
    return answer({"devbox_id": "dbx_1", "execution_id": f"exe_{number}", "status": status, **said, **more})


def devbox(status: str) -> Response:
    return answer({"id": "dbx_1", "status": status})


def path(number: int = 1) -> str:
    return f"{BOX}/executions/exe_{number}"


def awaited(number: int = 1) -> Request:
    return wait("completed", box=path(number))


STARTED = exchange(run("echo hi"), execution("running"))
AT_ONCE = exchange(run("echo hi"), execution("completed"))
WAITED = exchange(awaited(), execution("completed"))
READ = exchange(get(path()), execution("completed"))
IN_VAIN = exchange(awaited(), answer(status=408))


def taken(*exchanges: Exchange) -> list[Exchange]:
    take = Take("test")
    for one in exchanges:
        take.end(take.begin(one.request), one.response)
    return list(take.exchanges())


# ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "seen", [[AT_ONCE], [STARTED, WAITED], [STARTED, READ], [STARTED, IN_VAIN, WAITED], [STARTED, WAITED, READ]]
)
def test_a_command_is_written_as_if_it_had_been_over_at_once(seen: list[Exchange]) -> None:
    assert taken(*seen) == [AT_ONCE]


@pytest.mark.parametrize("route", ["execute_async", "execute", "execute?last_n=5"])
def test_every_request_that_starts_a_command_and_may_not_see_its_end_counts(route: str) -> None:
    start = post(f"{BOX}/{route}", {"command": "echo hi"})

    assert taken(exchange(start, execution("running")), WAITED) == [exchange(start, execution("completed"))]


def test_a_client_that_always_waits_leaves_no_trace_of_it() -> None:
    assert taken(AT_ONCE, WAITED) == [AT_ONCE]
    assert taken(AT_ONCE, READ, WAITED) == [AT_ONCE]


def test_a_look_that_says_something_else_stays() -> None:
    shorter = exchange(get(f"{path()}?last_n=1"), execution("completed", stdout="i\n"))

    assert taken(AT_ONCE, shorter) == [AT_ONCE, shorter]


def test_commands_that_run_at_once_are_folded_each_on_its_own() -> None:
    starts = [exchange(run(f"echo {number}"), execution("running", number)) for number in range(3)]
    waits = [exchange(awaited(number), execution("completed", number)) for number in (2, 0, 1)]
    unrelated = exchange(get(BOX), devbox("running"))

    assert taken(*starts[:2], unrelated, starts[2], *waits) == [
        exchange(run("echo 0"), execution("completed", 0)),
        exchange(run("echo 1"), execution("completed", 1)),
        unrelated,
        exchange(run("echo 2"), execution("completed", 2)),
    ]


def test_one_that_is_killed_does_not_keep_another_as_it_was() -> None:
    kill = exchange(post(f"{path(2)}/kill", {}), execution("running", 2))
    other = exchange(run("sleep 9"), execution("running", 2))

    assert taken(STARTED, other, kill, WAITED) == [AT_ONCE, other, kill]


@pytest.mark.parametrize("action", ["kill", "send_std_in"])
@pytest.mark.parametrize("late", [False, True])
def test_a_command_that_somebody_acts_on_stays_as_it_was(action: str, late: bool) -> None:  # noqa: FBT001
    """Requests are kept in the order of issue, so one that ended a wait may come after it."""
    acts = exchange(post(f"{path()}/{action}", {}), answer())
    seen = [STARTED, WAITED, acts] if late else [STARTED, acts, WAITED]

    assert taken(*seen) == seen


@pytest.mark.parametrize("status", ["running", "queued"])
def test_a_look_before_it_was_over_is_part_of_the_test(status: str) -> None:
    look = exchange(get(path()), execution(status))

    assert taken(STARTED, look, WAITED) == [STARTED, look, WAITED]


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_output_that_was_streamed_before_its_end_is_streamed_again(name: str) -> None:
    stream = exchange(get(f"{path()}/stream_{name}_updates"), answer())

    assert taken(STARTED, stream, WAITED) == [STARTED, stream, WAITED]
    assert taken(STARTED, WAITED, stream) == [AT_ONCE, stream]


@pytest.mark.parametrize("action", ["suspend", "shutdown", "resume", "shutdown?force=true"])
def test_what_is_done_to_its_devbox_is_done_to_a_command(action: str) -> None:
    act = exchange(post(f"{BOX}/{action}"), devbox("suspending"))

    assert taken(STARTED, act, WAITED) == [STARTED, act, WAITED]


@pytest.mark.parametrize("response", [answer(status=408), answer(status=404), None])
def test_a_timeout_stays_one(response: Response | None) -> None:
    seen = [STARTED, Exchange(request=awaited(), response=response)]

    assert taken(*seen) == seen


def test_other_hosts_have_no_commands_of_ours() -> None:
    host = "8000.dbx_1.sandbox"
    seen = [
        exchange(post(f"{BOX}/execute_async", {"command": "x"}, host=host), execution("running")),
        exchange(post(f"{path()}/wait_for_status", {"statuses": ["completed"]}, host=host), execution("completed")),
    ]

    assert taken(*seen) == seen


# ── devboxes ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_devbox_is_written_as_if_it_had_run_at_once() -> None:
    waited = exchange(wait("running", "failure", "shutdown"), devbox("running"))

    assert taken(exchange(post(CREATE, {}), devbox("provisioning")), waited) == [
        exchange(post(CREATE, {}), devbox("running"))
    ]


def test_older_clients_wait_for_every_devbox() -> None:
    seen = [
        exchange(post("/v1/devboxes", {}), devbox("provisioning")),
        exchange(wait("running"), devbox("running")),
    ]

    assert taken(*seen) == seen


@pytest.mark.parametrize(
    ("request_", "response"), [(get(BOX), devbox("provisioning")), (post(f"{BOX}/suspend"), devbox("suspending"))]
)
def test_what_is_done_with_a_devbox_before_it_runs_is_part_of_the_test(request_: Request, response: Response) -> None:
    seen = [
        exchange(post(CREATE, {}), devbox("provisioning")),
        exchange(request_, response),
        exchange(wait("running"), devbox("running")),
    ]

    assert taken(*seen) == seen


def test_every_wait_of_a_resume_is_kept() -> None:
    waited = exchange(wait("running"), devbox("running"))
    seen = [
        exchange(post(CREATE, {}), devbox("running")),
        exchange(post(f"{BOX}/resume"), devbox("resuming")),
        waited,
        waited,
    ]

    assert taken(*seen) == seen


# ── replay ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_client_that_waits_nevertheless_gets_the_answer_of_the_beginning() -> None:
    playing = tape(AT_ONCE)
    playing.play(run("echo hi"))

    for request in (awaited(), awaited(), get(path())):
        assert json.loads(playing.play(request).content)["stdout"] == "hi\n"
    assert playing.leftovers() == []


def test_a_command_that_was_not_over_has_no_answer_to_give() -> None:
    playing = tape(STARTED)
    playing.play(run("echo hi"))

    with pytest.raises(Unrecorded):
        playing.play(awaited())


def test_a_client_that_waits_for_a_devbox_that_ran_at_once_gets_its_answer() -> None:
    playing = tape(exchange(post(CREATE, {}), devbox("running")))
    playing.play(post("/v1/devboxes", {}))

    assert json.loads(playing.play(wait("running", "failure")).content)["status"] == "running"
    with pytest.raises(Unrecorded):
        playing.play(wait("suspended"))


def test_a_devbox_that_was_suspended_since_is_another_matter() -> None:
    playing = tape(
        exchange(post(CREATE, {}), devbox("running")), exchange(post(f"{BOX}/suspend"), devbox("suspending"))
    )
    playing.play(post(CREATE, {}))
    playing.play(post(f"{BOX}/suspend"))

    with pytest.raises(Unrecorded):
        playing.play(wait("running"))
