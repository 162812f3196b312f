from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import zipfile

import pytest

from pytest_runloop.cassettes.exchange import Request
from pytest_runloop.cassettes.playing import meaning
from tests.unit.cassettes.asking import BOX, JSON, get, model, post, run, shell, tar, upload, wait


def key(request: Request) -> str:
    return meaning.of(request).key


def body(data: bytes, *, kind: str = JSON, host: str = "runloop") -> Request:
    return Request(method="POST", host=host, path="/v1/x", content_type=kind, body=data)


@pytest.mark.parametrize(
    "changed",
    [
        shell("echo two"),
        shell("rm -rf /"),
        shell("echo one", env="A=1"),
        shell("echo one", box="/v1/devboxes/dbx_2"),
        run("cd /home/other && bash -c 'echo one'"),
        run("cd /home/user && sh -c 'echo one'"),
        post(f"{BOX}/execute", {"command": "cd /home/user && bash -c 'echo one'"}),
        post(f"{BOX}/execute_async", {"command": "cd /home/user && bash -c 'echo one'", "shell_name": "s"}),
    ],
)
def test_a_changed_call_means_something_else(changed: Request) -> None:
    assert key(changed) != key(shell("echo one"))


def test_environments_differ_in_name_and_in_value() -> None:
    made = [{}, {"A": "1"}, {"A": "2"}, {"B": "1"}]
    assert len({key(post("/v1/devboxes", {"environment_variables": env})) for env in made}) == len(made)


def test_the_order_and_spelling_of_json_says_nothing() -> None:
    assert key(body(b'{"a": 1, "b": "\\u00e9"}')) == key(body('{"b":"é","a":1}'.encode()))
    assert key(body(b'{"a":[1,2]}')) != key(body(b'{"a":[2,1]}'))
    assert key(body(b'{"a":"1"}')) != key(body(b'{"a":1}'))


def test_no_body_an_empty_object_and_null_are_all_sent_for_nothing() -> None:
    assert len({key(body(data)) for data in (b"", b"{}", b"null")}) == 1


def test_how_long_a_poll_is_held_and_the_order_of_statuses_say_nothing() -> None:
    assert key(wait("suspended", "failure", seconds=30.0)) == key(wait("failure", "suspended", seconds=29.9997))
    assert key(wait("suspended")) != key(wait("running"))
    elsewhere = [post("/v1/blueprints", {"timeout_seconds": seconds}) for seconds in (1, 2)]
    assert key(elsewhere[0]) != key(elsewhere[1])


def test_the_order_of_a_query_says_nothing_and_its_values_do() -> None:
    assert key(get("/v1/devboxes?limit=5&status=running")) == key(get("/v1/devboxes?status=running&limit=5"))
    assert key(get("/v1/devboxes?limit=5")) != key(get("/v1/devboxes?limit=6"))


def test_the_boundary_of_an_upload_says_nothing_but_path_and_content_do() -> None:
    assert key(upload("/a", b"one")) == key(upload("/a", b"one"))
    assert key(upload("/a", b"one")) != key(upload("/b", b"one"))
    assert key(upload("/a", b"one")) != key(upload("/a", b"two"))
    assert key(upload("/a", b"one")) != key(upload("/a", b"one\n"))
    assert key(upload("/a", b"\0" * 100_000)) != key(upload("/a", b"\0" * 100_001))
    assert key(upload("/a", b"\xff")) != key(upload("/a", b"\xfe"))


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_times_and_owners_in_an_uploaded_tar_say_nothing_but_members_do(mode: str) -> None:
    def sent(members: dict[str, bytes], *, mtime: float = 1.5, uid: int = 0) -> str:
        return key(upload("/a.tar", tar(members, mtime=mtime, uid=uid, mode=mode)))

    honest = {"a": b"one", "b": b"two"}
    assert sent(honest) == sent(honest, mtime=2e9, uid=7)
    assert sent(honest) == sent(dict(reversed(honest.items())))
    assert sent(honest) != sent({"a": b"one", "b": b"twO"})
    assert sent(honest) != sent({"a": b"one", "c": b"two"})
    assert sent(honest) != sent({"a": b"one"})


def test_what_stands_after_the_end_of_a_tar_says_something() -> None:
    packed = tar({"a": b"one"})
    assert key(upload("/a", packed)) == key(upload("/a", packed + b"\0" * 512))
    assert key(upload("/a", packed)) != key(upload("/a", packed + b"rm -rf /"))


def test_a_tar_cut_short_is_compared_as_it_is() -> None:
    packed = tar({"a": b"x" * 3000})
    assert key(upload("/a", packed[:2000])) != key(upload("/a", packed[:2001]))


def test_times_in_an_uploaded_zip_say_nothing_but_contents_do() -> None:
    def packed(content: str, year: int) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(zipfile.ZipInfo("a", date_time=(year, 1, 1, 0, 0, 0)), content)
        return buffer.getvalue()

    assert key(upload("/z", packed("one", 1990))) == key(upload("/z", packed("one", 2020)))
    assert key(upload("/z", packed("one", 1990))) != key(upload("/z", packed("two", 1990)))
    assert key(upload("/z", b"PK\x03\x04 no zip")) != key(upload("/z", b"PK\x03\x04 no zop"))


def test_what_unpacks_to_too_much_is_compared_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_runloop.cassettes.playing.contents.LONGEST_UNPACKED", 1000)
    packed = [gzip.compress(tar({"a": b"x" * 2000}), mtime=second) for second in (1, 2)]
    assert key(upload("/a", packed[0])) != key(upload("/a", packed[1]))


def test_form_fields_and_files_for_another_host_keep_their_names() -> None:
    def sent(filename: str) -> Request:
        head = f'--b\r\nContent-Disposition: form-data; name="f"; filename="{filename}"\r\n\r\nx\r\n--b--\r\n'
        return body(head.encode(), kind="multipart/form-data; boundary=b", host="example.org")

    assert key(sent("a.txt")) != key(sent("b.txt"))
    fields = [body(data, kind="application/x-www-form-urlencoded") for data in (b"a=1&b=2", b"b=2&a=1", b"a=1&b=3")]
    assert key(fields[0]) == key(fields[1]) != key(fields[2])


def test_only_bodies_that_are_json_are_read_as_json() -> None:
    assert key(body(b"{broken")) != key(body(b"{brokem"))
    assert key(body(b'{"a":1}', kind="text/plain")) != key(body(b'{"a": 1}', kind="text/plain"))
    deep = b"[" * 100_000
    assert key(body(deep)) != key(body(deep + b"["))


def test_long_texts_differ_in_their_last_letter() -> None:
    assert key(model("a" * 1_000_000 + "b")) != key(model("a" * 1_000_000 + "c"))


def test_what_means_the_same_goes_the_same_way() -> None:
    assert meaning.route(upload("/a", b"one")) == meaning.route(upload("/a", b"two"))
    assert meaning.route(upload("/a", b"one")) != meaning.route(upload("/b", b"one"))
    hidden = "/home/user/.sandbox-runloop-restore-{}.tar"
    assert meaning.route(upload(hidden.format("a" * 32), b"")) == meaning.route(upload(hidden.format("b" * 32), b""))


def test_a_meaning_is_told_in_lines_that_people_read() -> None:
    text = meaning.of(post(f"{BOX}/execute_async", {"command": "cat <<X\none\ntwo\nX", "n": [1, "2", ""]})).text
    assert text.split("\n") == [
        f"POST {BOX}/execute_async",
        "command: |",
        "  cat <<X",
        "  one",
        "  two",
        "  X",
        "n:",
        "  - 1",
        '  - "2"',
        '  - ""',
    ]
    assert meaning.of(get("/v1/devboxes")).text == "GET /v1/devboxes"
    assert "file: one" in meaning.of(upload("/a", b"one")).text


def test_meanings_are_the_same_in_every_process() -> None:
    script = (
        "from pytest_runloop.cassettes.playing import meaning\n"
        "from tests.unit.cassettes.asking import *\n"
        "statuses = {'failure', 'suspended', 'shutdown'}\n"
        "asked = [wait(*statuses), upload('/a', tar({'x': b'1', 'y': b'2'})), shell('ls')]\n"
        "print([meaning.of(one).key for one in asked])"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": str(seed), "PYTHONPATH": ":".join(filter(None, sys.path)) + ":."},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(1, 5)
    }
    assert len(seen) == 1
    assert len(json.loads(seen.pop().replace("'", '"'))) == 3
