"""Trouble on demand, the pure parts; and what lets two emulators change one record."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pytest_runloop.emulator.domain.trouble import (
    BootFailure,
    Chance,
    Dice,
    Disturbance,
    Eviction,
    Trouble,
    is_meant,
    parse_trouble,
)
from pytest_runloop.emulator.firstbyte import PREFACE, FirstBytes
from pytest_runloop.emulator.server import _is_failure
from pytest_runloop.emulator.service.store import Store


def throws(chance: Chance, *, seed: int = 0, what: str = "x") -> list[bool]:
    dice = Dice(chance, seed=seed, what=what)
    return [dice.hit() for _ in range(200)]


def test_nothing_goes_wrong_by_itself() -> None:
    assert parse_trouble({}) == Trouble()
    assert Trouble().requests == ()


def test_a_rate_is_about_kept_and_depends_on_seed_and_name_only() -> None:
    chance = Chance(rate=0.3)

    assert 40 < sum(throws(chance)) < 80
    assert throws(chance) == throws(chance)
    assert throws(chance) != throws(chance, seed=1)
    assert throws(chance) != throws(chance, what="y")


def test_the_first_are_spared_and_enough_is_enough() -> None:
    assert throws(Chance(skip=3, times=2))[:8] == [False, False, False, True, True, False, False, False]
    assert not any(throws(Chance(times=0)))
    assert not any(throws(Chance(rate=0)))


def test_what_is_meant_is_a_pattern() -> None:
    post = Disturbance(method="P*", path="/v1/devboxes/*/execute*", status=500)

    assert post.meets("POST", "/v1/devboxes/dbx_1/execute_async")
    assert not post.meets("GET", "/v1/devboxes/dbx_1/execute_async")
    assert not post.meets("POST", "/v1/devboxes")
    assert is_meant("dbx_*", name=None, devbox_id="dbx_1")
    assert is_meant("mi*", name="mine", devbox_id="dbx_1")
    assert not is_meant("mi*", name=None, devbox_id="dbx_1")


@pytest.mark.parametrize("table", [Trouble, BootFailure, Eviction, Disturbance])
def test_every_line_of_a_table_says_what_it_does(table: type) -> None:
    for line in dataclasses.fields(table):
        assert callable(line.metadata["check"])
        assert line.metadata["what"]


def test_no_trouble_is_imported_at_a_start() -> None:
    program = (
        "import sys, pytest_runloop.emulator.http.app, pytest_runloop.emulator.service.emulator, "
        "pytest_runloop.emulator.server; print([name for name in sys.modules if 'trouble' in name])"
    )
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout

    assert output == "[]\n"


def test_a_cancelled_task_is_no_failure_at_the_end() -> None:
    def record(error: BaseException | None) -> logging.LogRecord:
        info = None if error is None else (type(error), error, None)
        return logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, "said", None, info)

    assert not _is_failure(record(asyncio.CancelledError()))
    assert _is_failure(record(ValueError()))
    assert _is_failure(record(None))


@pytest.mark.parametrize(
    ("said", "speaker"),
    [
        (PREFACE + b"more", "http2"),
        (b"\x16\x03\x01", "secure"),
        (b"CONNECT 8000-k.tunnel.x:443 HTTP/1.1\r\n", "secure"),
        (b"COPY / HTTP/1.1\r\n", "http1"),
        (b"PRI / HTTP/1.1\r\n", "http1"),
        (b"GET / HTTP/1.1\r\n", "http1"),
    ],
)
def test_who_understands_is_the_same_when_bytes_come_one_by_one(said: bytes, speaker: str) -> None:
    heard: list[bytes] = []

    class Speaker(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            heard.append(data)

    class Transport(asyncio.Transport):
        def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
            self.protocol = protocol

    chosen: list[str] = []

    def maker(name: str) -> Speaker:
        chosen.append(name)
        return Speaker()

    transport = Transport()
    transport.protocol = first = FirstBytes(
        set(), http1=lambda: maker("http1"), http2=lambda: maker("http2"), secure=lambda: maker("secure")
    )
    first.connection_made(transport)

    for byte in said:
        assert isinstance(transport.protocol, asyncio.Protocol)
        transport.protocol.data_received(bytes([byte]))

    assert chosen == [speaker]
    assert b"".join(heard) == said


def test_two_emulators_lose_no_change_of_one_record(tmp_path: Path) -> None:
    def count(owner: str) -> None:
        store = Store.open(tmp_path / "db", owner=owner)
        documents = store.documents("counter")
        for _ in range(50):
            with documents.alone():
                found = documents.get("one")
                assert found is not None
                documents.save("one", {"n": found["n"] + 1})
        store.close()

    first = Store.open(tmp_path / "db", owner="emu_0")
    first.documents("counter").add("one", {"n": 0})
    threads = [threading.Thread(target=count, args=(f"emu_{number}",)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert first.documents("counter").get("one") == {"n": 100}
    first.close()
