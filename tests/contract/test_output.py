"""Output of commands, in views and as streams, as the vendor's clients and documentation have it."""

from __future__ import annotations

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from runloop_api_client.sdk import Devbox


def _lines(count: int) -> str:
    return "".join(f"line {number}\n" for number in range(1, count + 1))


def _events(response: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in response.iter_lines() if line.startswith("data: ")]


def test_only_the_last_hundred_lines_are_in_the_view_and_all_in_the_stream(devbox: Devbox, http: httpx.Client) -> None:
    """Execution API: ``last_n`` defaults to 100; the flag says that there was more."""
    result = devbox.cmd.exec("for i in {1..1000}; do echo line $i; echo error $i >&2; done")
    view = http.get(f"/v1/devboxes/{devbox.id}/executions/{result.execution_id}").json()

    assert view["stdout_truncated"]
    assert view["stderr_truncated"]
    assert view["stdout"] == _lines(1000)[-len(view["stdout"]) :]
    assert view["stdout"].count("\n") == 100
    assert result.stdout() == _lines(1000)
    assert result.stderr() == _lines(1000).replace("line", "error")
    assert result.stdout(num_lines=50).splitlines() == [f"line {n}" for n in range(951, 1001)]


def test_last_n_sets_how_many_lines_the_view_has(http: httpx.Client, devbox: Devbox) -> None:
    """Execution API: ``last_n`` is a query string of digits."""
    body = {"command": "seq 5", "command_id": str(uuid.uuid4())}

    view = http.post(f"/v1/devboxes/{devbox.id}/execute", params={"last_n": "3"}, json=body).json()
    whole = http.get(f"/v1/devboxes/{devbox.id}/executions/{view['execution_id']}").json()

    assert (view["stdout"], view["stdout_truncated"]) == ("3\n4\n5\n", True)
    assert (whole["stdout"], whole["stdout_truncated"]) == ("1\n2\n3\n4\n5\n", False)


def test_one_line_of_many_megabytes_comes_through(devbox: Devbox) -> None:
    """Backups are printed as one line of base64."""
    result = devbox.cmd.exec("head -c 14000000 /dev/zero | tr '\\0' x")

    assert len(result.stdout()) == 14_000_000


def test_a_stream_of_a_finished_command_gives_everything_and_ends(http: httpx.Client, devbox: Devbox) -> None:
    """Streams: their joined output is the whole output; offsets are where a client would go on."""
    execution = devbox.cmd.exec("printf 'é1\\né2\\n'").execution_id
    path = f"/v1/devboxes/{devbox.id}/executions/{execution}/stream_stdout_updates"

    with http.stream("GET", path) as response:
        events = _events(response)
    with http.stream("GET", path, params={"offset": 4}) as response:
        rest = _events(response)

    assert response.headers["content-type"].startswith("text/event-stream")
    assert "".join(event["output"] for event in events) == "é1\né2\n"
    assert events[-1]["offset"] == 8
    assert "".join(event["output"] for event in rest) == "é2\n"


def test_output_is_streamed_as_it_is_printed(devbox: Devbox) -> None:
    """Streams: output arrives while the command runs, not at line ends or at its end."""
    seen: list[tuple[float, str]] = []
    started = time.monotonic()

    result = devbox.cmd.exec(
        "printf one; sleep 0.6; echo two", stdout=lambda text: seen.append((time.monotonic() - started, text))
    )

    assert "".join(text for _, text in seen) == result.stdout() == "onetwo\n"
    assert seen[0][1] == "one"
    assert seen[-1][0] - seen[0][0] > 0.4


def test_both_streams_reach_their_own_callbacks(devbox: Devbox) -> None:
    """Client callbacks: each gets its own stream, whole."""
    out: list[str] = []
    err: list[str] = []
    both: list[str] = []

    result = devbox.cmd.exec(
        "echo out1; echo err1 >&2; sleep 0.3; echo out2; echo err2 >&2",
        stdout=out.append,
        stderr=err.append,
        output=both.append,
    )

    assert "".join(out) == result.stdout() == "out1\nout2\n"
    assert "".join(err) == result.stderr() == "err1\nerr2\n"
    assert sorted("".join(both).split()) == ["err1", "err2", "out1", "out2"]


def test_two_streams_do_not_hold_each_other(http: httpx.Client, devbox: Devbox) -> None:
    """Streams of two commands come interleaved in real time."""
    path = f"/v1/devboxes/{devbox.id}"

    def follow(name: str) -> list[float]:
        command = f"for i in 1 2 3; do echo {name}$i; sleep 0.3; done"
        execution = http.post(f"{path}/execute_async", json={"command": command}).json()["execution_id"]
        with http.stream("GET", f"{path}/executions/{execution}/stream_stdout_updates") as response:
            return [time.monotonic() for line in response.iter_lines() if line.startswith("data: ")]

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(follow, "ab")

    assert first[0] < second[-1]
    assert second[0] < first[-1]
