from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_runloop.emulator.domain.text import last_lines, whole_start
from pytest_runloop.emulator.machine.output import Output
from pytest_runloop.emulator.service.execution import Execution
from pytest_runloop.emulator.service.outputs import VIEW_BYTES, follow, tail


@pytest.mark.parametrize(
    ("data", "lines", "expected"),
    [
        (b"", 3, (b"", False)),
        (b"a\nb\nc\n", 3, (b"a\nb\nc\n", False)),
        (b"a\nb\nc\n", 2, (b"b\nc\n", True)),
        (b"a\nb\nc", 2, (b"b\nc", True)),
        (b"a\nb\nc\n", 9, (b"a\nb\nc\n", False)),
        (b"a\n", 0, (b"", True)),
        (b"\n\n\n", 1, (b"\n", True)),
    ],
)
def test_last_lines(data: bytes, lines: int, expected: tuple[bytes, bool]) -> None:
    assert last_lines(data, lines) == expected


@given(st.lists(st.text("ab", max_size=3), max_size=8), st.integers(1, 8), st.booleans())
def test_last_lines_are_what_splitting_gives(lines: list[str], wanted: int, ended: bool) -> None:  # noqa: FBT001 - drawn
    data = "\n".join(lines) + ("\n" if ended and lines else "")
    split = data.splitlines(keepends=True)

    kept, cut = last_lines(data.encode(), wanted)

    assert kept.decode() == "".join(split[-wanted:])
    assert cut == (len(split) > wanted)


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"tail of a line\nwhole\n", b"whole\n"), ("é".encode()[1:] + b"x", b"x"), (b"one line\n", b"one line\n")],
)
def test_a_piece_from_the_middle_starts_whole(data: bytes, expected: bytes) -> None:
    assert whole_start(data) == expected


def test_a_huge_line_is_cut_and_flagged() -> None:
    async def scenario() -> tuple[str, bool]:
        output = Output()
        output.append(b"x" * (VIEW_BYTES + 1))
        output.close()
        return tail(output, lines=100)

    text, truncated = asyncio.run(scenario())

    assert len(text) == VIEW_BYTES
    assert truncated


@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(1, 40), min_size=1, max_size=12))
def test_a_stream_is_what_decoding_it_whole_gives(data: bytes, cuts: list[int]) -> None:
    async def scenario() -> list[tuple[str, int]]:
        execution, output = await _running()
        pieces = asyncio.ensure_future(_collect(execution, offset=0))
        rest = data
        for cut in cuts:
            output.append(rest[:cut])
            rest = rest[cut:]
            await asyncio.sleep(0)
        output.append(rest)
        output.close()
        return await pieces

    pieces = asyncio.run(scenario())

    assert "".join(text for text, _ in pieces) == data.decode("utf-8", "replace")
    assert not pieces or pieces[-1][1] == len(data)


def test_a_stream_goes_on_where_an_earlier_one_ended() -> None:
    async def scenario() -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
        execution, output = await _running()
        output.append("aé".encode()[:2])
        first = []
        async for piece in follow(execution, "stdout", offset=0):
            assert piece is not None
            first.append(piece)
            break
        output.append("é".encode()[1:] + b"z")
        output.close()
        return first, await _collect(execution, offset=first[-1][1])

    first, second = asyncio.run(scenario())

    assert first == [("a", 1)]
    assert second == [("éz", 4)]


async def _running() -> tuple[Execution, Output]:
    execution = Execution(execution_id="exe_1", command="x")
    output = Output()
    execution.begin(_Process(output))  # type: ignore[arg-type] # only its outputs are looked at
    return execution, output


async def _collect(execution: Execution, *, offset: int) -> list[tuple[str, int]]:
    return [piece async for piece in follow(execution, "stdout", offset=offset) if piece is not None]


class _Process:
    def __init__(self, stdout: Output) -> None:
        self.stdout = stdout
        self.stderr = stdout
