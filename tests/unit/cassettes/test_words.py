from __future__ import annotations

import pytest

from pytest_runloop.cassettes.exchange import Request
from pytest_runloop.cassettes.playing import words
from tests.unit.cassettes.asking import BOX, get, model, post, run, shell, upload, wait

HELPER = "/tmp/openai-agents/bin/resolve-workspace-path-62a6e78539cf"


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("cd /home/user && bash -c 'cat who.txt'", "exec `cat who.txt`"),
        ("cd /home/user && env -- A=1 'B=x y' bash -c 'cat who.txt'", "exec `cat who.txt`"),
        ("cd /home/user && sudo -u root -- env -- A=1 bash -c id", "exec `id # as root`"),
        ("cd /home/user && env -- 'FOO=bar baz' sh -lc 'echo \"one two\"'", 'exec `echo "one two"`'),
        ("cd /home/user && python3 -m http.server", "exec `python3 -m http.server`"),
        ("cd /home/user && make | tee log", "exec `cd /home/user && make | tee log`"),
        ("echo hi", "exec `echo hi`"),
        ("echo 'not closed", "exec `echo 'not closed`"),
        ("cd /w && bash -c 'one\ntwo'", "exec `one …`"),
        ("cd /w && bash -c '" + "x" * 300 + "'", f"exec `{'x' * 100} …`"),
        ("bash -c 'rm -f -- \"$1\"' bash /tmp/a", 'exec `rm -f -- "$1" # with /tmp/a`'),
        (
            f"cd /home/user && env -- A=1 {HELPER} /home/user /home/user/a.txt 1",
            "let the SDK check the path /home/user/a.txt",
        ),
        (f"cd /home/user && test -x {HELPER}", "look for the SDK's helper resolve-workspace-path"),
        (
            f"cd /w && sh -c '# INSTALL_RUNTIME_HELPER_V1\nset -eu' sh {HELPER}",
            "install the SDK's helper resolve-workspace-path",
        ),
        ("cat /tmp/openai-agents/bin/x", "exec `cat /tmp/openai-agents/bin/x`"),
    ],
)
def test_a_command_is_told_as_its_author_wrote_it(command: str, shown: str) -> None:
    assert words.of(run(command)) == f"{shown} in devbox dbx_1"


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (post("/v1/devboxes/create_and_await_running", {}), "create a devbox"),
        (
            post("/v1/devboxes", {"name": "web", "snapshot_id": "snp_1"}),
            "create a devbox named web from disk snapshot snp_1",
        ),
        (upload("/home/user/app.py", b"x" * 12), "upload /home/user/app.py (12 bytes) to devbox dbx_1"),
        (upload("/a", b"x"), "upload /a (1 byte) to devbox dbx_1"),
        (post(f"{BOX}/download_file", {"path": "/a"}), "download /a from devbox dbx_1"),
        (wait("suspended", "failure"), "wait for devbox dbx_1 to be failure or suspended"),
        (post(f"{BOX}/executions/exe_1/wait_for_status", {}), "wait for a command to end in devbox dbx_1"),
        (post(f"{BOX}/executions/exe_1/kill"), "kill a command in devbox dbx_1"),
        (get(f"{BOX}/executions/exe_1/stream_stdout_updates"), "stream stdout from devbox dbx_1"),
        (post(f"{BOX}/suspend"), "suspend devbox dbx_1"),
        (post(f"{BOX}/shutdown"), "shut down devbox dbx_1"),
        (post(f"{BOX}/snapshot_disk_async", {}), "snapshot the disk of devbox dbx_1"),
        (get("/v1/devboxes/disk_snapshots/snp_1/status"), "ask how far disk snapshot snp_1 is"),
        (get("/v1/devboxes/disk_snapshots?limit=5"), "list disk snapshots with limit=5"),
        (get("/v1/devboxes?status=running"), "list devboxes with status=running"),
        (
            get("/v1/devboxes/disk_snapshots?limit=9&metadata%5Bpytest_runloop_key%5D=ab12&metadata%5Bx%5D=y"),
            "look for disk snapshots prepared under key ab12",
        ),
        (get(BOX), "ask for the status of devbox dbx_1"),
        (post(BOX, {"metadata": {}}), "change the metadata of devbox dbx_1"),
        (post("/v1/secrets", {"name": "TOKEN", "value": "x"}), "make secret TOKEN"),
        (get("/v1/account"), "GET /v1/account"),
        (model("a", "b", "c"), "ask the model gpt-5 (3 input items)"),
        (
            post("/v1/responses", {"model": "gpt-5", "input": "hello\nyou"}, host="openai"),
            "ask the model gpt-5 `hello …`",
        ),
        (
            post("/v1/chat/completions", {"model": "gpt-5", "messages": [{}]}, host="openai"),
            "ask the model gpt-5 (1 message)",
        ),
        (Request(method="GET", host="8000.dbx_1.sandbox", path="/x?y=1"), "GET /x at port 8000 of devbox dbx_1"),
        (Request(method="GET", host="example.org", path="/x"), "GET /x at example.org"),
    ],
)
def test_every_call_has_words(request_: Request, said: str) -> None:
    assert words.of(request_) == said


def test_only_what_somebody_asked_for_is_counted() -> None:
    assert words.numbered(shell("ls"), 3) == "exec #3 in devbox dbx_1"
    assert words.numbered(upload("/a", b"x"), 2) == "upload #2 to devbox dbx_1"
    assert words.numbered(post("/v1/devboxes", {}), 1) == "create a devbox"
    assert words.numbered(post("/v1/devboxes", {}), 2) == "create a devbox (no. 2)"
    assert words.numbered(run("mkdir -p -- /home/user"), 3) == "exec `mkdir -p -- /home/user` in devbox dbx_1"
    assert words.kind(shell("ls")) == words.kind(shell("cat a")) != words.kind(shell("ls", box="/v1/devboxes/dbx_2"))


def test_very_long_bodies_are_told_without_being_read() -> None:
    assert words.of(model("x" * 400_000)) == "ask the model gpt-5"
    assert words.of(shell("x" * 400_000)) == "exec a command of 400,042 bytes in devbox dbx_1"
