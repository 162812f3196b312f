from __future__ import annotations

import json
import multiprocessing
import os
import random
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_runloop.cassettes.exchange import Exchange, Request, Response
from pytest_runloop.cassettes.files import bodies, document, multipart
from pytest_runloop.cassettes.files.document import Cassette
from pytest_runloop.errors import CassetteError
from tests.unit.cassettes import generated
from tests.unit.cassettes.recordings import HEADER, asked, commands, write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cassettes" / "test_a" / "test_x.json"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(st.lists(generated.exchanges, max_size=4))
def test_a_recording_is_read_as_it_was_written(tmp_path: Path, exchanges: list[Exchange]) -> None:
    path = tmp_path / "x.json"
    path.unlink(missing_ok=True)

    written = Cassette(header=HEADER, exchanges=tuple(exchanges))
    document.write(path, written, key_of=repr, same_answer=Response.__eq__)

    found = document.read(path)
    assert found.header == HEADER
    assert [normal(exchange) for exchange in found.exchanges] == [normal(exchange) for exchange in exchanges]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(st.lists(generated.exchanges, max_size=4))
def test_writing_what_was_read_gives_the_same_file(tmp_path: Path, exchanges: list[Exchange]) -> None:
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    first.unlink(missing_ok=True)
    second.unlink(missing_ok=True)
    document.write(first, Cassette(exchanges=tuple(exchanges)), key_of=repr, same_answer=Response.__eq__)

    document.write(second, document.read(first), key_of=repr, same_answer=Response.__eq__)

    assert first.read_bytes() == second.read_bytes()


def test_a_cassette_is_readable_and_says_no_more_than_needed(path: Path) -> None:
    write(path, asked("echo hi", "hi\n"))

    assert json.loads(path.read_text()) == {
        "version": 1,
        "recorded": {
            "what": "test",
            "name": "tests/test_a.py::test_x",
            "target": "emulator",
            "date": "2026-11-24T16:00:00Z",
            "versions": {"python": "3.11.7", "vcrpy": "9.4.2"},
            "keys": {"spec": "k1"},
        },
        "interactions": [
            {
                "request": {
                    "method": "POST",
                    "path": "/v1/devboxes/dbx_1/execute_async",
                    "json": {"command": "echo hi"},
                },
                "response": {"status": 200, "json": {"stdout": "hi\n", "time_ms": 1}},
            }
        ],
    }


def test_a_name_with_half_a_character_can_be_written(path: Path) -> None:
    write(path, header=replace(HEADER, name="t.py::test[\udc80]"))

    header = document.read(path).header
    assert header is not None
    assert header.name == "t.py::test[\udc80]"


def test_large_bodies_lie_beside_and_are_shared(path: Path) -> None:
    large = asked("cat", "x" * 5000)
    write(path, large)
    write(path.with_name("test_y.json"), large)

    (name,) = document.side_files(path)
    assert document.side_files(path.with_name("test_y.json")) == {name}
    assert [file.name for file in (path.parent.parent / "bodies").iterdir()] == [name]
    assert document.read(path).exchanges == (normal(large),)


def test_fifty_megabytes_come_back(path: Path) -> None:
    content = random.Random(1).randbytes(1 << 20) * 50  # noqa: S311 - the same in every run
    request = Request(
        method="POST", host="runloop", path="/v1/devboxes/dbx_1/download_file", content_type="application/json"
    )
    download = Exchange(request=request, response=Response(status=200, chunks=(content,)))
    document.write(path, Cassette(exchanges=(download,)), key_of=repr, same_answer=Response.__eq__)

    (found,) = document.read(path).exchanges

    assert found.response is not None
    assert found.response.content == content
    assert path.stat().st_size < 1000


def test_a_failed_write_leaves_the_old_file_and_nothing_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, asked("a"))
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(CassetteError, match=r"test_x\.json: it can't be written .*No space left.*; see to"):
        write(path, asked("b", "x" * 5000))

    assert path.read_bytes() == before
    assert [file for file in path.parent.parent.rglob("*") if file.is_file()] == [path]


def test_what_fails_a_check_is_never_on_the_disk(path: Path) -> None:
    write(path, asked("a"))
    before = path.read_bytes()

    def check(content: bytes) -> None:
        if b"hush" in content:
            raise PermissionError

    with pytest.raises(PermissionError):
        write(path, asked("b", "hush" * 2000), check=check)

    assert path.read_bytes() == before
    assert [file for file in path.parent.parent.rglob("*") if file.is_file()] == [path]


def test_files_have_the_rights_of_the_umask(path: Path) -> None:
    umask = os.umask(0o027)
    try:
        write(path, asked("a"))
    finally:
        os.umask(umask)

    assert path.stat().st_mode & 0o777 == 0o640


def test_two_processes_that_write_at_once_leave_one_whole_recording(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_keep_writing, args=(path, letter)) for letter in "ab"]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        if path.exists():
            document.read(path)
        time.sleep(0.001)

    assert [writer.exitcode for writer in writers] == [0, 0]
    assert len({command[0] for command in commands(path)}) == 1
    assert len(commands(path)) == 40
    assert not list(path.parent.glob(".*"))


def _keep_writing(path: Path, letter: str) -> None:
    for number in range(20):
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, *[asked(f"{letter}{number}-{line}") for line in range(40)])


def normal(exchange: Exchange) -> Exchange:
    """Return an exchange without what may differ after reading it: spaces of JSON, the boundary, empty pieces."""
    request, response = exchange.request, exchange.response
    parts = multipart.parse(request.body, content_type=request.content_type)
    if parts is not None:
        request = replace(request, content_type=multipart.CONTENT_TYPE, body=multipart.build(parts))
    else:
        request = replace(request, body=_respaced(request.body, request.content_type))
    if response is not None:
        chunks = tuple(chunk for chunk in response.chunks if chunk)
        if len(chunks) == 1:
            chunks = (_respaced(chunks[0], response.headers.get("content-type", "")),)
        response = replace(response, chunks=chunks)
    return replace(exchange, request=request, response=response)


def _respaced(content: bytes, content_type: str) -> bytes:
    aside = bodies.Aside()
    form = bodies.of_request(content, content_type=content_type, aside=aside)
    return bodies.to_body(form, load=aside.files.__getitem__)
