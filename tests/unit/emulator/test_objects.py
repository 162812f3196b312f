from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pytest_runloop.emulator.domain.objects import ObjectState, StoredObject, parse_object
from pytest_runloop.emulator.domain.problems import ApiProblem
from pytest_runloop.emulator.domain.scopes import needed
from pytest_runloop.emulator.service.emulator import Emulator
from pytest_runloop.emulator.service.objects import Objects
from tests.unit.emulator.conftest import Bench


def _make(bench: Bench, emulator: Emulator, content: bytes | None = b"content", **body: object) -> StoredObject:
    request = parse_object({"name": "a", "content_type": "text", **body})
    one = bench.do(emulator.objects.create(request, request_id=""))
    if content is None:
        return one
    bench.do(emulator.objects.put(one.id, _pieces(content)))
    return emulator.objects.complete(one.id)


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def _broken() -> AsyncIterator[bytes]:
    yield b"half"
    raise ConnectionError


def _objects(bench: Bench, emulator: Emulator) -> Objects:
    """Let the objects be made where there is a loop."""
    return bench.call(lambda: emulator.objects)


def _files(bench: Bench) -> list[str]:
    return sorted(path.name for path in (bench.state / "objects").iterdir())


def _content(objects: Objects, object_id: str) -> bytes:
    download = objects.download(object_id)
    try:
        return download._file.read()
    finally:
        download.close()


def test_objects_survive_a_restart_with_their_addresses(bench: Bench) -> None:
    emulator = bench.emulator()
    one = _make(bench, emulator)
    signature = emulator.objects.signature("GET", one.id, expires_s=2**40)
    bench.close(emulator)

    objects = _objects(bench, bench.emulator())

    assert objects.get(one.id) == one
    assert _content(objects, one.id) == b"content"
    objects.check_signature("GET", one.id, expires=str(2**40), signature=signature)


def test_a_content_that_breaks_off_leaves_nothing(bench: Bench) -> None:
    emulator = bench.emulator()
    one = _make(bench, emulator, None)

    with pytest.raises(ConnectionError):
        bench.do(emulator.objects.put(one.id, _broken()))

    assert _files(bench) == []
    with pytest.raises(ApiProblem, match="no content yet"):
        emulator.objects.complete(one.id)


def test_a_deleted_object_leaves_no_file(bench: Bench) -> None:
    emulator = bench.emulator()
    one = _make(bench, emulator)
    assert _files(bench) == [one.id]

    emulator.objects.delete(one.id)

    assert _files(bench) == []
    assert emulator.objects.delete(one.id).state is ObjectState.DELETED


def test_an_object_that_outlived_its_time_goes_without_being_asked_for(bench: Bench) -> None:
    emulator = bench.emulator()
    one = _make(bench, emulator, ttl_ms=50)
    assert _files(bench) == [one.id]

    _until_gone(bench)

    assert emulator.objects.get(one.id).state is ObjectState.DELETED


def test_the_earliest_end_comes_first(bench: Bench) -> None:
    emulator = bench.emulator()
    late, _ = _make(bench, emulator, ttl_ms=10**9), _make(bench, emulator, ttl_ms=50)

    _until(bench, [late.id])


def test_a_time_that_ends_between_two_emulators_ends(bench: Bench) -> None:
    emulator = bench.emulator()
    one = _make(bench, emulator, ttl_ms=500)
    bench.close(emulator)
    assert _files(bench) == [one.id]

    bench.emulator()  # nobody asks it for objects

    _until_gone(bench)


def test_what_a_dead_emulator_left_half_way_goes(bench: Bench) -> None:
    living, dying = bench.emulator(), bench.emulator()
    one = _make(bench, dying)
    _objects(bench, living)
    half = [bench.state / "objects" / f"{one.id}.{emulator._store.owner}.x.part" for emulator in (living, dying)]
    stranger = bench.state / "objects" / "obj_nobodys"
    for path in (*half, stranger):
        path.touch()
    bench.lose(dying)

    _objects(bench, bench.emulator())

    assert _files(bench) == sorted([one.id, half[0].name])


def test_an_upload_that_ends_after_its_object_leaves_nothing(bench: Bench) -> None:
    emulator = bench.emulator()
    one = _make(bench, emulator, None)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"half"
        emulator.objects.delete(one.id)

    with pytest.raises(ApiProblem, match="can't be changed"):
        bench.do(emulator.objects.put(one.id, pieces()))

    assert _files(bench) == []


@pytest.mark.parametrize(("expires", "signature"), [("", ""), ("x", "x"), ("9" * 30, "x"), ("1", "é"), ("²", "")])
def test_nonsense_is_no_signature(bench: Bench, expires: str, signature: str) -> None:
    objects = _objects(bench, bench.emulator())

    with pytest.raises(ApiProblem) as refused:
        objects.check_signature("GET", "obj_a", expires=expires, signature=signature)
    assert refused.value.status == 403


@pytest.mark.parametrize(
    ("method", "path", "kind", "level"),
    [
        ("GET", "/v1/devboxes", "DEVBOXES", "READ"),
        ("POST", "/v1/devboxes/a/execute", "DEVBOXES", "WRITE"),
        ("POST", "/v1/devboxes/a/wait_for_status", "DEVBOXES", "READ"),
        ("POST", "/v1/devboxes/a/snapshot_disk_async", "SNAPSHOTS", "WRITE"),
        ("GET", "/v1/devboxes/disk_snapshots", "SNAPSHOTS", "READ"),
        ("GET", "/v1/devboxes/disk_snapshots/a/status", "SNAPSHOTS", "READ"),
        ("GET", "/v1/benchmark_runs/a", "BENCHMARKS", "READ"),
        ("DELETE", "/v1/axons/a", "ACCOUNT", "WRITE"),
        ("POST", "/v1/apikeys", "ACCOUNT", "WRITE"),
        ("POST", "/_emulator/devboxes/a/ports/80", "DEVBOXES", "WRITE"),
    ],
)
def test_what_a_request_needs_of_a_restricted_key(method: str, path: str, kind: str, level: str) -> None:
    assert needed(method, path) == (f"RESOURCE_TYPE_{kind}", f"ACCESS_LEVEL_{level}")


def _until_gone(bench: Bench) -> None:
    _until(bench, [])


def _until(bench: Bench, files: list[str]) -> None:
    deadline = time.monotonic() + 10
    while _files(bench) != files:
        assert time.monotonic() < deadline
        bench.do(asyncio.sleep(0.01))


def test_paths_of_contents_stay_in_their_directory(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(exist_ok=True)
    objects = _objects(bench, bench.emulator())

    for name in ("..", "../emulator.sqlite3", ".", ""):
        with pytest.raises(ApiProblem) as refused:
            objects.download(name)
        assert refused.value.status == 404
