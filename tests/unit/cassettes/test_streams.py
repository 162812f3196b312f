"""Bodies that are read in pieces, noted or given out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from pytest_runloop.cassettes.exchange import RUNLOOP, Response
from pytest_runloop.cassettes.takes.notes import Note, kept
from pytest_runloop.cassettes.traffic.streams import AsyncTee, Played, Tee

EVENTS = {"Content-Type": "text/event-stream; charset=utf-8"}


class Take:
    """What was handed in."""

    def __init__(self) -> None:
        self.ended: list[Response | None] = []
        self.lost: list[int] = []

    def end(self, number: int, response: Response | None) -> None:
        self.ended.append(response)

    def lose(self, number: int) -> None:
        self.lost.append(number)


class Source:
    """Pieces, and an error after them if there is one."""

    def __init__(self, *pieces: bytes, error: BaseException | None = None) -> None:
        self.pieces = pieces
        self.error = error
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces
        if self.error is not None:
            raise self.error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


def begun(take: Take, headers: dict[str, str]) -> Note:
    note = Note(take, 1, RUNLOOP, lambda _: None)
    note.began(200, "OK", headers, list)
    return note


def test_pieces_of_events_stay_apart_and_others_are_joined() -> None:
    for headers, chunks in ((EVENTS, (b"1", b"2")), ({}, (b"12",))):
        take = Take()
        assert list(Tee(Source(b"1", b"", b"2"), begun(take, headers))) == [b"1", b"", b"2"]
        [response] = take.ended
        assert response is not None
        assert (response.chunks, response.complete) == (chunks, True)


def test_a_stream_that_is_closed_early_is_incomplete_and_one_that_was_read_is_not() -> None:
    take = Take()
    source = Source(b"1", b"2")
    early = Tee(source, begun(take, EVENTS))
    assert next(iter(early)) == b"1"
    early.close()
    read = Tee(Source(b"1"), begun(take, EVENTS))
    list(read)
    read.close()
    assert source.closed
    assert [(one.chunks, one.complete) for one in take.ended if one] == [((b"1",), False), ((b"1",), True)]


def test_a_stream_that_breaks_is_forgotten_and_one_that_is_cancelled_is_kept() -> None:
    async def read(stream: AsyncTee, error: type[BaseException]) -> None:
        with pytest.raises(error):
            async for _ in stream:
                pass
        await stream.aclose()

    take = Take()
    with pytest.raises(OSError, match="broken"):
        list(Tee(Source(b"1", error=OSError("broken")), begun(take, EVENTS)))
    asyncio.run(read(AsyncTee(Source(b"1", error=OSError("broken")), begun(take, EVENTS)), OSError))
    assert (take.ended, take.lost) == ([], [1, 1])

    asyncio.run(read(AsyncTee(Source(b"1", error=GeneratorExit()), begun(take, EVENTS)), GeneratorExit))
    assert [(one.chunks, one.complete) for one in take.ended if one] == [((b"1",), False)]


def test_what_is_still_read_at_the_end_is_kept_as_far_as_it_came() -> None:
    take = Take()
    note = begun(take, EVENTS)
    note.chunk(b"1")
    note.cut()
    note.chunk(b"2")
    note.end(complete=True)
    Note(take, 2, RUNLOOP, lambda _: None).cut()
    assert [(one.chunks, one.complete) for one in take.ended if one] == [((b"1",), False)]
    assert take.lost == [2]


def test_recorded_pieces_are_given_out_as_they_are() -> None:
    pieces = (b"1", b"2")

    async def read() -> list[bytes]:
        return [piece async for piece in Played(pieces)]

    assert [one is other for one, other in zip(Played(pieces), pieces, strict=True)] == [True, True]
    assert asyncio.run(read()) == [b"1", b"2"]


def test_headers_that_are_kept() -> None:
    headers = {"Content-Type": "a", "X-Mine": "b", "Set-Cookie": "c", "Date": "d", "Authorization": "e"}
    assert kept(headers, RUNLOOP) == {"content-type": "a"}
    assert kept(headers, "80.dbx_1.sandbox") == {"content-type": "a", "x-mine": "b"}
