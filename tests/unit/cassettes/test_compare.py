from __future__ import annotations

import base64
import itertools
import json

from pytest_runloop.cassettes.exchange import Exchange, Request, Response
from pytest_runloop.cassettes.takes import compare
from tests.unit.cassettes.asking import (
    BOX,
    answer,
    cassette,
    exchange,
    get,
    model,
    post,
    run,
    said,
    shell,
    tar,
    upload,
)

ONE, OTHER = "5ca4ecb019b44930963ce966b92c200b", "00d1ecb019b44930963ce966b92c2aaa"


def differences(old: list[Exchange], new: list[Exchange]) -> list[str]:
    return compare.differences(cassette(old), cassette(new))


def view(created: int, **more: object) -> Response:
    transitions = [{"status": "running", "transition_time_ms": created}]
    return answer(
        {"id": "dbx_1", "create_time_ms": created, "end_time_ms": None, "state_transitions": transitions, **more}
    )


def test_times_are_no_difference_and_everything_else_is() -> None:
    assert compare.same_answer(view(1), view(2))
    assert not compare.same_answer(view(1), view(1, status="running"))
    assert not compare.same_answer(view(1), view(1, end_time_ms=5))
    assert not compare.same_answer(answer(status=200), answer(status=404))
    assert not compare.same_answer(said("one"), said("two"))


def test_kinds_and_ends_of_answers_count_and_other_headers_do_not() -> None:
    text = Response(status=200, headers={"content-type": "text/plain", "x-request-id": "1"}, chunks=(b"x",))
    again = Response(status=200, headers={"content-type": "text/plain; charset=x", "x-request-id": "2"}, chunks=(b"x",))
    html = Response(status=200, headers={"content-type": "text/html"}, chunks=(b"x",))
    cut = Response(status=200, headers={"content-type": "text/plain"}, chunks=(b"x",), complete=False)
    assert compare.same_answer(text, again)
    assert not compare.same_answer(text, html)
    assert not compare.same_answer(text, cut)
    assert compare.same_answer(None, None)
    assert not compare.same_answer(None, text)


def test_clocks_in_what_a_command_wrote_are_no_difference() -> None:
    line = "-rw-r--r-- 1 user user 5 Nov {} a.txt\n{}"
    assert compare.same_answer(
        said(line.format("24 16:11", "2026-11-24T16:11:39.123Z")), said(line.format(" 3 06:59", "2027-01-02 03:04:05"))
    )
    assert not compare.same_answer(
        said(line.format("24 16:11", "")), said(line.format("24 16:11", "").replace(" 5 ", " 6 "))
    )


def test_a_port_that_the_emulator_opens_is_another_each_time() -> None:
    one, other = answer({"url": "http://127.0.0.1:4711"}), answer({"url": "http://127.0.0.1:4712"})
    assert compare.same_answer(one, other)
    assert not compare.same_answer(one, answer({"url": "http://127.0.0.1:4712/elsewhere"}))


def test_an_archive_is_its_members_also_as_base64_on_stdout() -> None:
    def sent(content: bytes, mtime: float) -> Response:
        return Response(
            status=200, headers={"content-type": "application/octet-stream"}, chunks=(tar({"a": content}, mtime=mtime),)
        )

    assert compare.same_answer(sent(b"one", 1), sent(b"one", 2))
    assert not compare.same_answer(sent(b"one", 1), sent(b"two", 1))
    packed = [said(base64.b64encode(tar({"a": b"one"}, mtime=time)).decode()) for time in (1, 2)]
    assert compare.same_answer(*packed)


def test_a_stream_of_a_model_is_compared_event_by_event() -> None:
    def streamed(text: str, ident: str, created: int) -> Response:
        events = [{"type": "delta", "delta": text, "item_id": ident}, {"type": "done", "created_at": created}]
        data = b"".join(f"event: x\ndata: {json.dumps(event)}\n\n".encode() for event in events)
        return Response(status=200, headers={"content-type": "text/event-stream"}, chunks=(data,))

    one = streamed("hi", "msg_" + "a" * 20, 1)
    assert compare.same_answer(one, streamed("hi", "msg_" + "b" * 20, 2))
    assert not compare.same_answer(one, streamed("ho", "msg_" + "a" * 20, 1))


def test_equal_recordings_have_no_differences_whatever_their_order() -> None:
    old = [exchange(shell("echo one"), said("one")), exchange(upload("/a", b"x")), exchange(get(BOX), view(1))]
    new = [exchange(get(BOX), view(2)), exchange(upload("/a", b"x")), exchange(shell("echo one"), said("one"))]
    assert differences(old, new) == []


def test_looks_may_be_more_or_fewer() -> None:
    look = exchange(get(BOX), view(1))
    assert differences([look], [look, look]) == []
    assert differences([look, look], [look]) == []
    assert differences([look], []) == []


def test_a_session_of_today_is_the_recorded_one_also_where_it_comes_back() -> None:
    def session(one: str) -> list[Exchange]:
        state = f"cat /tmp/openai-agents/session-state/{one}/fingerprint.json"
        return [exchange(run(state), said("{}")), exchange(shell(f"echo {one}"), said(f"it is {one}"))]

    assert differences(session(ONE), session(OTHER)) == []


def test_differences_are_told_call_by_call() -> None:
    old = [
        exchange(shell("cat who"), said("alice\n")),
        exchange(shell("echo gone"), said("")),
        exchange(post(f"{BOX}/suspend"), answer()),
        Exchange(request=shell("sleep 9"), response=None),
    ]
    new = [
        exchange(shell("cat who"), said("bob\n")),
        exchange(post(f"{BOX}/suspend"), answer({"message": "no"}, status=409)),
        exchange(model("hi"), answer()),
        exchange(shell("sleep 9"), said("")),
    ]
    assert differences(old, new) == [
        "exec `cat who` in devbox dbx_1: the answer differs\n      stdout: |\n    -   alice\n    +   bob",
        "suspend devbox dbx_1: it was answered with 200, and now with 409: message: no",
        "ask the model gpt-5 (1 input item): it is not in the recording",
        "exec `sleep 9` in devbox dbx_1: the client gave up waiting when it was recorded",
        "exec `echo gone` in devbox dbx_1: it is in the recording only",
    ]


def test_more_differences_than_anybody_reads_are_counted() -> None:
    many = differences([], [exchange(shell(f"echo {number}")) for number in range(50)])
    assert len(many) == 21
    assert many[-1] == "… and 30 more differences"


def test_no_body_of_whatever_kind_breaks_a_comparison() -> None:
    broken = [
        Response(status=200, headers={"content-type": kind}, chunks=(data,))
        for kind in ("application/json", "text/event-stream", "application/octet-stream", "")
        for data in (b"{", b"\xff\xfe", b"data: {", b"[" * 50_000)
    ]
    assert all(compare.same_answer(one, one) for one in broken)
    request = Request(method="GET", host="runloop", path="/v1/x")
    for one, other in itertools.pairwise(broken):
        assert differences([exchange(request, one)], [exchange(request, other)])
