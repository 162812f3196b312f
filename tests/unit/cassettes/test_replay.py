from __future__ import annotations

import copy
import itertools
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_runloop import tape as clocks
from pytest_runloop.cassettes.exchange import Exchange, Request, Response
from pytest_runloop.cassettes.playing import meaning
from pytest_runloop.cassettes.playing.meaning import NO_RULES, Rules
from pytest_runloop.cassettes.playing.replay import Unanswered, Unrecorded
from pytest_runloop.sandbox import labels
from tests.unit.cassettes.asking import (
    BOX,
    answer,
    exchange,
    get,
    post,
    run,
    said,
    shell,
    tape,
    text_of,
    upload,
    wait,
)

ONE, OTHER = "5ca4ecb019b44930963ce966b92c200b", "00d1ecb019b44930963ce966b92c2aaa"
STATE = "cat /tmp/openai-agents/session-state/{}/fingerprint.json"


def status(name: str) -> Response:
    return answer({"id": "dbx_1", "status": name})


def status_of(response: Response) -> str:
    found = json.loads(response.content)["status"]
    assert isinstance(found, str)
    return found


def test_the_same_call_gets_the_recorded_answers_in_the_recorded_order() -> None:
    playing = tape(*(exchange(shell("date"), said(text)) for text in ("one", "two")), exchange(shell("ls"), said("a")))

    assert text_of(playing.play(shell("ls"))) == "a"
    assert [text_of(playing.play(shell("date"))) for _ in range(2)] == ["one", "two"]
    assert playing.leftovers() == []


def test_a_call_that_was_not_recorded_is_refused_with_no_ordinary_exception() -> None:
    playing = tape(exchange(shell("echo one"), said("one")))

    with pytest.raises(Unrecorded, match="the command differs") as refused:
        playing.play(shell("rm -rf /"))
    assert not isinstance(refused.value, Exception)
    assert copy.copy(refused.value).message == refused.value.message


def test_after_a_miss_nothing_is_answered_any_more() -> None:
    playing = tape(exchange(shell("echo one"), said("one")))
    with pytest.raises(Unrecorded) as first:
        playing.play(shell("echo two"))

    with pytest.raises(Unrecorded) as second:
        playing.play(shell("echo one"))

    assert second.value.message == first.value.message == playing.miss


def test_what_was_recorded_once_is_not_played_twice() -> None:
    playing = tape(exchange(shell("echo one"), said("one")))
    playing.play(shell("echo one"))

    with pytest.raises(Unrecorded, match="it was recorded once and has been played once"):
        playing.play(shell("echo one"))


def test_two_devboxes_never_get_each_others_answers() -> None:
    boxes = ["/v1/devboxes/dbx_1", "/v1/devboxes/dbx_2"]
    playing = tape(*(exchange(shell("cat me", box=box), said(box)) for box in boxes))

    assert [text_of(playing.play(shell("cat me", box=box))) for box in reversed(boxes)] == boxes[::-1]


def test_a_volatile_value_that_comes_back_comes_back_as_todays() -> None:
    playing = tape(
        exchange(run(STATE.format(ONE)), said(f"path /tmp/openai-agents/session-state/{ONE}/fingerprint.json")),
        exchange(shell(f"echo sandbox-{ONE[:12]}"), said(f"sandbox-{ONE[:12]}")),
    )

    assert OTHER in text_of(playing.play(run(STATE.format(OTHER))))
    # Once it is known, it is known in somebody's own command too.
    assert text_of(playing.play(shell(f"echo sandbox-{OTHER[:12]}"))) == f"sandbox-{OTHER[:12]}"


def test_a_generated_id_is_known_in_a_later_address() -> None:
    recorded, today = "01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099affff"

    def execute(command_id: str) -> Request:
        return post(f"{BOX}/execute", {"command": "ls", "command_id": command_id})

    playing = tape(
        exchange(execute(recorded), answer({"execution_id": recorded, "status": "running"})),
        exchange(get(f"{BOX}/executions/{recorded}"), answer({"execution_id": recorded, "status": "completed"})),
    )

    assert json.loads(playing.play(execute(today)).content)["execution_id"] == today
    assert status_of(playing.play(get(f"{BOX}/executions/{today}"))) == "completed"


def test_of_two_sessions_each_keeps_its_own_recording() -> None:
    first, second = "a1" * 16, "b2" * 16
    playing = tape(*(exchange(run(STATE.format(one)), said(one)) for one in (ONE, OTHER, ONE, OTHER)))

    asked = [first, second, second, first]
    assert [text_of(playing.play(run(STATE.format(one)))) for one in asked] == asked


def test_todays_times_come_back_though_two_recorded_ones_are_one_today() -> None:
    def created(second: str) -> Request:
        return post("/v1/devboxes", {"metadata": {labels.CREATED: second}})

    playing = tape(*(exchange(created(second), said(second)) for second in ("1795536688", "1795536689")))

    assert [text_of(playing.play(created("1800000000"))) for _ in range(2)] == ["1800000000"] * 2


def test_the_clients_older_way_to_create_a_devbox_is_the_same_as_the_newer() -> None:
    old, new = post("/v1/devboxes", {"name": "a"}), post("/v1/devboxes/create_and_await_running", {"name": "a"})

    for recorded, asked in ((old, new), (new, old)):
        assert text_of(tape(exchange(recorded, said("box"))).play(asked)) == "box"
    both = tape(exchange(old, said("old")), exchange(new, said("new")))
    assert [text_of(both.play(one)) for one in (new, old)] == ["new", "old"]


def test_a_look_may_be_taken_more_and_less_often_than_it_was_recorded() -> None:
    playing = tape(exchange(get(BOX), status("running")), exchange(wait("running"), status("running")))

    assert [status_of(playing.play(get(BOX))) for _ in range(3)] == ["running"] * 3
    assert playing.leftovers() == []


def test_a_look_is_never_answered_with_what_was_before_or_after_a_change() -> None:
    exchanges = [
        exchange(get(BOX), status("provisioning")),
        exchange(get(BOX), status("running")),
        exchange(post(f"{BOX}/suspend"), status("suspending")),
        exchange(get(BOX), status("suspended")),
        exchange(post(f"{BOX}/shutdown"), status("shutdown")),
        exchange(get(BOX), status("shutdown")),
    ]
    often, seldom = tape(*exchanges), tape(*exchanges)

    assert [status_of(often.play(get(BOX))) for _ in range(4)] == ["provisioning", *["running"] * 3]
    often.play(post(f"{BOX}/suspend"))
    assert [status_of(often.play(get(BOX))) for _ in range(2)] == ["suspended"] * 2
    seldom.play(post(f"{BOX}/suspend"))
    seldom.play(post(f"{BOX}/shutdown"))
    assert status_of(seldom.play(get(BOX))) == "shutdown"


def test_a_look_at_another_time_than_ever_recorded_gets_the_next_recording() -> None:
    playing = tape(exchange(post(f"{BOX}/suspend")), exchange(get(BOX), status("suspended")))

    assert status_of(playing.play(get(BOX))) == "suspended"


def test_a_stream_is_no_look() -> None:
    stream = get(f"{BOX}/executions/exe_1/stream_stdout_updates")
    playing = tape(exchange(stream, said("x")))
    playing.play(stream)

    with pytest.raises(Unrecorded):
        playing.play(stream)


def test_a_poll_in_vain_leaves_its_time_out_for_the_task_that_asked() -> None:
    playing = tape(
        exchange(wait("suspended"), answer(status=408)),
        exchange(wait("suspended"), status("running")),
        exchange(wait("suspended"), status("suspended")),
    )
    before = clocks.clock()

    for _ in range(3):
        playing.play(wait("suspended", seconds=20.0))

    assert 40.0 <= clocks.clock() - before < 50.0
    thread = threading.Thread(target=lambda: seen.append(clocks.clock()))
    seen: list[float] = []
    thread.start()
    thread.join()
    assert seen[0] < clocks.clock() - 30


def test_no_client_tries_again_or_waits_for_what_was_the_last_word() -> None:
    for code in (408, 409, 429, 500, 503):
        playing = tape(exchange(shell("ls"), answer(status=code, headers={"retry-after": "60", "x-a": "1"})))
        headers = playing.play(shell("ls")).headers
        assert headers["x-should-retry"] == "false"
        assert "retry-after" not in headers
        assert headers["x-a"] == "1"
    kept = tape(exchange(shell("ls"), answer(status=404, headers={"retry-after": "60"}))).play(shell("ls"))
    assert "x-should-retry" not in kept.headers


def test_a_call_whose_client_had_given_up_has_no_answer() -> None:
    playing = tape(Exchange(request=shell("sleep 100"), response=None))

    with pytest.raises(Unanswered, match="exec `sleep 100` in devbox dbx_1: the client gave up waiting"):
        playing.play(shell("sleep 100"))
    assert playing.leftovers() == []


def test_chunks_stay_chunks() -> None:
    streamed = Response(
        status=200, headers={"content-type": "text/event-stream"}, chunks=(b"data: 1\n\n", b"data: 2\n\n")
    )

    assert list(tape(exchange(shell("ls"), streamed)).play(shell("ls")).chunks) == list(streamed.chunks)


def test_what_was_not_asked_for_is_told_in_words_and_counted() -> None:
    playing = tape(
        exchange(shell("echo one")),
        *(exchange(upload("/a.txt", b"abc")) for _ in range(2)),
        exchange(shell("echo two")),
        exchange(get(BOX)),
    )
    playing.play(shell("echo one"))

    assert playing.leftovers() == ["upload /a.txt (3 bytes) to devbox dbx_1 (×2)", "exec `echo two` in devbox dbx_1"]


def test_a_tape_knows_whether_anything_was_asked_for() -> None:
    asked, unasked = tape(exchange(get(BOX))), tape(exchange(get(BOX)))
    asked.play(get(BOX))

    assert [asked.is_touched, unasked.is_touched] == [True, False]


def test_many_threads_play_each_recording_once() -> None:
    playing = tape(*(exchange(shell("date"), said(str(number))) for number in range(400)))

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: text_of(playing.play(shell("date"))), range(400)))

    assert sorted(map(int, seen)) == list(range(400))


def test_any_order_of_different_calls_is_as_good_as_the_recorded_one() -> None:
    calls = [shell(f"echo {number % 20}") for number in range(60)]
    exchanges = [exchange(call, said(str(number))) for number, call in enumerate(calls)]
    for step in (1, 7, 11, 59):
        playing = tape(*exchanges)
        for call in itertools.islice(itertools.cycle(calls), 0, 60 * step, step):
            playing.play(call)
        assert playing.leftovers() == []


def test_the_number_of_calls_told_to_a_tape_does_not_grow_the_work_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: each request's meaning is found once, and each recording's."""
    counts = []
    found = meaning.of

    def counting(request: Request, rules: Rules = NO_RULES) -> meaning.Meaning:
        counts.append(request)
        return found(request, rules)

    monkeypatch.setattr(meaning, "of", counting)
    calls = [shell(f"echo {number}") for number in range(300)]
    playing = tape(*(exchange(call, said("")) for call in calls))
    for call in reversed(calls):
        playing.play(call)

    assert len(counts) <= 2 * len(calls)
