"""Trouble on demand: each kind is seen by the vendor's client as it would be on a bad day of the service."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from runloop_api_client import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    Runloop,
    RunloopError,
    RunloopSDK,
)

from pytest_runloop.emulator import launcher
from pytest_runloop.emulator.launcher import Running

Wish = Callable[..., None]
RESUMING = "/v1/devboxes/*/resume"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An emulator of its own: trouble is for everyone."""
    directory = tmp_path_factory.mktemp("trouble")
    running = launcher.launch(directory / "state", directory / "run", owner_pid=os.getpid())
    yield running
    launcher.stop(running)
    log = (directory / "run" / "emulator.log").read_text()
    assert "Traceback" not in log, log


@pytest.fixture
def http(running: Running) -> Iterator[httpx.Client]:
    key = {"Authorization": f"Bearer {running.api_key}"}
    with httpx.Client(base_url=running.base_url, headers=key, timeout=30) as client:
        yield client


@pytest.fixture
def wish(http: httpx.Client) -> Iterator[Wish]:
    """Wish for trouble until the test's end."""

    def put(**trouble: object) -> None:
        answer = http.put("/_emulator/trouble", json=trouble)
        assert answer.status_code == 200, answer.text

    yield put
    put()


@pytest.fixture
def once(running: Running) -> Iterator[Runloop]:
    """The client without its retries."""
    with Runloop(bearer_token=running.api_key, base_url=running.base_url, max_retries=0) as client:
        yield client


@pytest.fixture
def sdk(running: Running) -> Iterator[RunloopSDK]:
    with RunloopSDK(bearer_token=running.api_key, base_url=running.base_url) as sdk:
        yield sdk
        for devbox in sdk.api.devboxes.list(limit=1000):
            sdk.api.devboxes.shutdown(devbox.id)


def test_retry_after_is_honoured(wish: Wish, sdk: RunloopSDK) -> None:
    """Client: 429 is retried, after the time that Retry-After says."""
    wish(requests=[{"path": "/v1/secrets", "status": 429, "retry_after_s": 1.2, "times": 1}])
    began = time.monotonic()

    sdk.api.secrets.list()

    assert 1.1 < time.monotonic() - began < 5


def test_a_limit_is_a_rate_limit_error(wish: Wish, once: Runloop) -> None:
    """Client: 429 is a RateLimitError, with the header."""
    wish(requests=[{"path": "/v1/secrets", "status": 429, "retry_after_s": 7}])

    with pytest.raises(RateLimitError) as caught:
        once.secrets.list()
    assert caught.value.response.headers["retry-after"] == "7"


def test_a_server_error_is_retried_until_it_is_over(wish: Wish, once: Runloop) -> None:
    """Client: 5xx is an InternalServerError, and retried."""
    wish(requests=[{"path": "/v1/secrets", "status": 503, "times": 2}])

    with pytest.raises(InternalServerError, match="503"):
        once.secrets.list()
    once.with_options(max_retries=1).secrets.list()


@pytest.mark.parametrize("when", ["before", "midway"])
def test_a_reset_is_a_connection_error(wish: Wish, once: Runloop, when: str) -> None:
    """Client: a lost connection is an APIConnectionError; a half answer is httpx's own error."""
    wish(requests=[{"path": "/v1/devboxes", "reset": when, "times": 1}])

    with pytest.raises((APIConnectionError, httpx.TransportError)):
        list(once.devboxes.list(limit=1))
    once.devboxes.list(limit=1)


def test_a_create_whose_answer_is_lost_makes_one_devbox(wish: Wish, sdk: RunloopSDK) -> None:
    """Client: the idempotency key of a retry is that of the first try."""
    wish(requests=[{"method": "POST", "path": "/v1/devboxes", "reset": "after", "times": 1}])

    devbox = sdk.api.devboxes.create(name="lost answer")

    named = [one.id for one in sdk.api.devboxes.list(limit=100) if one.name == "lost answer"]
    assert named == [devbox.id]


def test_a_slow_answer_times_out(wish: Wish, once: Runloop) -> None:
    """Client: a time-out is an APITimeoutError."""
    wish(requests=[{"path": "/v1/secrets", "delay_s": 3, "times": 1}])

    with pytest.raises(APITimeoutError):
        once.with_options(timeout=0.3).secrets.list()


def test_streams_are_slow(wish: Wish, sdk: RunloopSDK) -> None:
    """Client: output is read from a slow stream to its end."""
    devbox = sdk.devbox.create()
    execution = devbox.cmd.exec_async("for i in 1 2 3; do echo $i; sleep 0.2; done")
    wish(requests=[{"path": "*/stream_stdout_updates", "slow_s": 1}])
    began = time.monotonic()

    stream = sdk.api.devboxes.executions.stream_stdout_updates(execution.execution_id, devbox_id=devbox.id)

    assert "".join(chunk.output for chunk in stream) == "1\n2\n3\n"
    assert time.monotonic() - began > 1


@pytest.mark.parametrize(("status", "error"), [(402, APIStatusError), (403, PermissionDeniedError)])
def test_without_credits_nothing_is_created(wish: Wish, once: Runloop, status: int, error: type[Exception]) -> None:
    """Guide: creation fails with billing errors; what there is can be looked at."""
    wish(out_of_credits=status)

    with pytest.raises(error, match="out of credits"):
        once.devboxes.create()
    once.devboxes.list(limit=1)


def test_a_quota_says_what_it_is(wish: Wish, once: Runloop, sdk: RunloopSDK) -> None:
    """Quotas: so many running devboxes; a suspended one doesn't count, but resuming it does."""
    wish(running_devboxes=1)
    first = sdk.devbox.create()

    with pytest.raises(RateLimitError, match="1 running devboxes"):
        once.devboxes.create()
    first.suspend()
    sdk.api.devboxes.await_suspended(first.id)
    second = sdk.devbox.create()
    with pytest.raises(RateLimitError, match="1 running devboxes"):
        once.devboxes.resume(first.id)
    second.shutdown()
    first.resume()
    first.await_running()


def test_booting_suspending_and_resuming_take_their_time(wish: Wish, sdk: RunloopSDK) -> None:
    """Devbox life: the statuses between are seen for as long as wished."""
    wish(boot_s=1.5, suspend_s=1, resume_s=1.2)
    made = sdk.api.devboxes.create()
    began = time.monotonic()
    assert sdk.api.devboxes.retrieve(made.id).status == "provisioning"
    sdk.api.devboxes.await_running(made.id)
    assert time.monotonic() - began > 1.2
    assert sdk.api.devboxes.suspend(made.id).status == "suspending"
    began = time.monotonic()
    sdk.api.devboxes.await_suspended(made.id)
    assert time.monotonic() - began > 0.7
    sdk.api.devboxes.resume(made.id)
    began = time.monotonic()
    sdk.api.devboxes.await_running(made.id)
    assert time.monotonic() - began > 0.9


def test_a_slow_boot_is_cut_short_by_a_shutdown(wish: Wish, sdk: RunloopSDK) -> None:
    """Devbox life: shutdown at any time."""
    wish(boot_s=600)
    made = sdk.api.devboxes.create()

    sdk.api.devboxes.shutdown(made.id)

    assert sdk.api.devboxes.retrieve(made.id).status == "shutdown"


def test_a_failed_boot_is_raised(wish: Wish, sdk: RunloopSDK) -> None:
    """Client: await_running raises for a devbox that ended as failure; the log says why."""
    wish(failed_boots={"devbox": "bad*"})
    made = sdk.api.devboxes.create(name="bad one")

    with pytest.raises(RunloopError, match="failure"):
        sdk.api.devboxes.await_running(made.id)
    assert sdk.api.devboxes.retrieve(made.id).failure_reason == "health_check_failed"
    assert "asked for" in str(sdk.api.devboxes.logs.list(made.id).logs)
    sdk.devbox.create(name="good one")


def test_an_eviction_is_announced_and_comes(wish: Wish, sdk: RunloopSDK) -> None:
    """Devbox API: evictions/watch; the devbox runs until its deadline, then it is suspended."""
    devbox = sdk.devbox.create(name="evicted")
    other = sdk.devbox.create()
    stream = sdk.api.devboxes.watch_evictions()
    wish(evictions={"devbox": "evicted", "notice_s": 1})

    event = next(iter(stream))

    stream.close()
    assert event.devbox_id == devbox.id
    assert abs(event.eviction_deadline_ms / 1000 - time.time()) < 2
    assert devbox.cmd.exec("echo still here").stdout() == "still here\n"
    sdk.api.devboxes.await_suspended(devbox.id)
    assert time.time() * 1000 >= event.eviction_deadline_ms
    assert other.get_info().status == "running"


def test_an_eviction_may_be_the_end(wish: Wish, sdk: RunloopSDK) -> None:
    """Devbox API: a devbox that starts while evictions are wished for; ended as told."""
    wish(evictions={"times": 1, "notice_s": 0, "ends": "shutdown"})
    devbox = sdk.api.devboxes.create_and_await_running()
    deadline = time.monotonic() + 10

    while sdk.api.devboxes.retrieve(devbox.id).status != "shutdown":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _sequence(http: httpx.Client, wish: Wish, seed: int) -> list[int]:
    wish(seed=seed, requests=[{"path": "/v1/secrets", "status": 500, "rate": 0.5, "skip": 2, "times": 9}])
    return [http.get("/v1/secrets").status_code for _ in range(30)]


def test_a_seed_is_a_sequence(http: httpx.Client, wish: Wish) -> None:
    """The emulator's own: the same each time; another seed, another one."""
    first = _sequence(http, wish, 1)

    assert first[:2] == [200, 200]
    assert first.count(500) == 9
    assert _sequence(http, wish, 1) == first
    assert _sequence(http, wish, 2) != first


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"bot_s": 1}, "bot_s: unknown field; known are seed, boot_s"),
        ({"boot_s": -1}, "boot_s: -1 is negative"),
        ({"boot_s": 1e9}, "boot_s: 1e+09 is more than 3600"),
        ({"out_of_credits": 500}, "out_of_credits: 500 is not between 402 and 403"),
        ({"failed_boots": {"rate": 2}}, "failed_boots.rate: 2 is more than 1"),
        ({"evictions": {"ends": "kill"}}, "evictions.ends: 'kill' is not one of suspend, shutdown"),
        ({"requests": [{}]}, "requests[0]: nothing would go wrong"),
        ({"requests": [{"status": 200}]}, "requests[0].status: 200 is not between 400 and 599"),
        ({"requests": [{"status": 500, "reset": "after"}]}, "requests[0]: a status or a reset"),
        ({"requests": [{"delay_s": 1, "retry_after_s": 1}]}, "requests[0].retry_after_s: it goes with an answer"),
    ],
)
def test_a_mistaken_wish_is_told(http: httpx.Client, wish: Wish, wanted: dict[str, Any], message: str) -> None:
    """The emulator's own: 400 with the field; what was before stays."""
    wish(resume_s=0.5)

    answer = http.put("/_emulator/trouble", json=wanted)

    assert answer.status_code == 400
    assert message in answer.json()["message"]
    assert http.get("/_emulator/trouble").json()["resume_s"] == 0.5


def test_a_wish_is_shown_as_it_can_be_sent(http: httpx.Client, wish: Wish) -> None:
    """The emulator's own: GET gives what PUT takes; the route itself is never troubled, and needs the key."""
    wish(requests=[{"path": "*", "status": 500}], evictions={"rate": 0})

    shown = http.get("/_emulator/trouble").json()

    assert http.put("/_emulator/trouble", json=shown).json() == shown
    assert http.get("/_emulator/anything").status_code == 500
    assert http.put("/_emulator/trouble", json={}, headers={"Authorization": "no"}).status_code == 401


def test_the_client_learns_that_there_is_nothing(once: Runloop, wish: Wish) -> None:
    """The emulator's own: requests that aren't met are answered as ever."""
    wish(requests=[{"method": "DELETE", "status": 500}])

    with pytest.raises(NotFoundError):
        once.devboxes.retrieve("dbx_none")
