"""Requests no client sends: each is answered as the client's mistake, none as the emulator's."""

from __future__ import annotations

import itertools

import httpx
import pytest
from runloop_api_client.sdk import Devbox

from tests.contract.conftest import Service

VALUES: list[object] = [None, True, -1, 1.5, 10**30, "", "\0", "x" * 200_000, [], [None], {}, {"a": None}, [[[]]]]
BODIES = {
    "": ["name", "metadata"],
    "/wait_for_status": ["statuses", "timeout_seconds"],
    "/execute_async": ["command", "shell_name", "attach_stdin"],
    "/execute": ["command", "command_id", "optimistic_timeout"],
    "/execute_sync": ["command", "shell_name"],
    "/executions/exe_nope/wait_for_status": ["statuses", "timeout_seconds"],
    "/executions/exe_nope/kill": ["kill_process_group"],
    "/executions/exe_nope/send_std_in": ["text", "signal"],
    "/download_file": ["path"],
    "/read_file_contents": ["file_path"],
    "/write_file_contents": ["file_path", "contents"],
    "/snapshot_disk": ["name", "metadata", "commit_message"],
    "/enable_tunnel": ["auth_mode", "http_keep_alive"],
}
GOOD = {"command": "true", "command_id": "c", "statuses": ["running"], "timeout_seconds": 0.01, "file_path": "nasty"}


@pytest.mark.parametrize("route", BODIES)
def test_wrong_values_are_refused_or_taken_but_never_break_anything(
    emulator: Service, http: httpx.Client, devbox: Devbox, route: str
) -> None:
    for field, value in itertools.product(BODIES[route], VALUES):
        body = {**{name: good for name, good in GOOD.items() if name in BODIES[route]}, field: value}
        answer = http.post(f"/v1/devboxes/{devbox.id}{route}", json=body)

        assert answer.status_code < 500, (body, answer.text)
        if answer.status_code >= 400:
            assert answer.json()["message"]
    if route == "/enable_tunnel":
        http.post(f"/v1/devboxes/{devbox.id}/remove_tunnel")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=x",
        "limit=",
        "limit=²",
        "status=asleep",
        "starting_after=dbx_nope",
        "include_total_count=maybe",
    ],
)
def test_wrong_queries_are_refused_or_ignored(emulator: Service, http: httpx.Client, query: str) -> None:
    for path in ("/v1/devboxes", "/v1/devboxes/disk_snapshots", "/v1/secrets"):
        assert http.get(f"{path}?{query}").status_code in {200, 400}


@pytest.mark.parametrize("last_n", ["-1", "x", "1e3", "1" * 30])
def test_wrong_line_counts_are_refused_or_taken(
    emulator: Service, http: httpx.Client, devbox: Devbox, last_n: str
) -> None:
    execution = devbox.cmd.exec("true").execution_id

    answer = http.get(f"/v1/devboxes/{devbox.id}/executions/{execution}", params={"last_n": last_n})

    assert answer.status_code in {200, 400}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data; boundary=B", b""),
        ("multipart/form-data; boundary=B", b"no boundary"),
        ("multipart/form-data; boundary=B", b"--B\r\n\r\n\r\n--B--\r\n"),
        (
            "multipart/form-data; boundary=B",
            b'--B\r\nContent-Disposition: form-data; name="path"\r\n\r\n\xff\0\r\n--B--',
        ),
        ("multipart/form-data", b"--B--"),
        ("application/json", b"{}"),
    ],
)
def test_wrong_forms_are_refused(
    emulator: Service, http: httpx.Client, devbox: Devbox, content_type: str, body: bytes
) -> None:
    headers = {"Content-Type": content_type}

    answer = http.post(f"/v1/devboxes/{devbox.id}/upload_file", content=body, headers=headers)

    assert answer.status_code == 400


@pytest.mark.parametrize("port", ["0", "65536", "-1", "x"])
def test_a_wrong_port_is_refused(emulator: Service, http: httpx.Client, devbox: Devbox, port: str) -> None:
    assert http.post(f"/_emulator/devboxes/{devbox.id}/ports/{port}").status_code in {400, 404}
