from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_runloop.cassettes.exchange import Exchange, Request
from pytest_runloop.cassettes.files import document, merging
from pytest_runloop.cassettes.files.document import Header
from tests.unit.cassettes.recordings import HEADER, asked, commands, key_of, same_answer, write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cassettes" / "test_a" / "test_x.json"


def test_the_same_again_does_not_touch_the_file(path: Path) -> None:
    write(path, asked("a", "1"), asked("b"))
    before = path.read_bytes(), path.stat().st_mtime_ns

    later = replace(HEADER, date="2027-01-01T00:00:00Z", versions={"python": "3.14.0"})
    changed = write(path, asked("b #2"), asked("a #2", "1"), header=later)

    assert not changed
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


@pytest.mark.parametrize(
    "header", [replace(HEADER, target="live"), replace(HEADER, keys={}), replace(HEADER, name="y")]
)
def test_what_it_is_of_is_kept_up_to_date(path: Path, header: Header) -> None:
    write(path, asked("a"))

    assert write(path, asked("a"), header=header)
    assert document.read(path).header == header


def test_only_what_changed_is_written_anew(path: Path) -> None:
    write(path, asked("a #old", "1"), asked("b #old", "1"), asked("c #old", "1"))

    assert write(path, asked("c #new", "1"), asked("b #new", "2"), asked("a #new", "1"))

    assert commands(path) == ["a #old", "b #new", "c #old"]


def test_new_requests_come_after_what_they_came_after_and_old_ones_go(path: Path) -> None:
    write(path, asked("a #old"), asked("b #old"), asked("c #old"))

    write(path, asked("x"), asked("a #new"), asked("y"), asked("c #new"), asked("z"))

    assert commands(path) == ["x", "a #old", "y", "c #old", "z"]


def test_equal_requests_keep_their_order_whatever_else_moved(path: Path) -> None:
    write(path, asked("a", "1"), asked("b"), asked("a", "2"))

    # The third of them came before `b` this time.
    write(path, asked("a", "1"), asked("a", "2"), asked("a", "3"), asked("b"))

    answers = [
        json.loads(found.response.content)["stdout"] for found in document.read(path).exchanges if found.response
    ]
    assert answers == ["1", "", "2", "3"]


def test_made_up_values_of_new_requests_are_spelled_as_in_the_old(path: Path) -> None:
    old, new = "0123456789abcdef" * 2, "fedcba9876543210" * 2

    def volatile_of(request: Request) -> list[str]:
        words = json.loads(request.body)["command"].partition("#")[2].split()
        return [word for word in words if len(word) == 32]

    write(path, asked(f"a # {old}", "1"), volatile_of=volatile_of)
    write(path, asked(f"a # {new}", "1"), asked(f"b # {new}", f"in {new}"), volatile_of=volatile_of)

    assert commands(path) == [f"a # {old}", f"b # {old}"]
    assert new not in path.read_text()


def test_an_answer_that_differs_in_what_its_request_may_differ_in_is_the_same(path: Path) -> None:
    def volatile_of(request: Request) -> list[str]:
        command: str = json.loads(request.body)["command"]
        return command.partition(" #job-")[2].split()

    write(path, asked("ls #job-9c457e4e", "job-9c457e4e"), asked("b", "20261124"), volatile_of=volatile_of)
    before = path.read_bytes()

    assert not write(path, asked("ls #job-ffc9d35e", "job-ffc9d35e"), asked("b", "20261124"), volatile_of=volatile_of)
    assert path.read_bytes() == before
    assert write(path, asked("ls #job-ffc9d35e", "job-00000000"), asked("b", "20261124"), volatile_of=volatile_of)


def test_a_damaged_file_is_replaced(path: Path) -> None:
    write(path, asked("a"))
    path.write_text(path.read_text()[:-40])

    assert write(path, asked("b"))
    assert commands(path) == ["b"]


_calls = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("12")), max_size=8)


@given(before=_calls, now=_calls)
def test_a_replay_of_what_is_written_gives_what_was_recorded(
    before: list[tuple[str, str]], now: list[tuple[str, str]]
) -> None:
    old, new = (
        [asked(f"{command} #{age}{number}", answer) for number, (command, answer) in enumerate(calls)]
        for age, calls in (("old", before), ("new", now))
    )

    found = merging.merged(old, new, key_of=key_of, same_answer=same_answer, volatile_of=lambda _: ())

    # Per meaning, in their order; between meanings any order is as good.
    for command in "abc":
        assert answers_to(command, found) == [answer for asked_for, answer in now if asked_for == command]
    assert len(found) == len(new)


@given(_calls)
def test_the_same_recording_in_any_order_is_left_as_it_was(calls: list[tuple[str, str]]) -> None:
    old = [asked(f"{command}{number} #old", answer) for number, (command, answer) in enumerate(calls)]
    new = [asked(f"{command}{number} #new", answer) for number, (command, answer) in enumerate(calls)]

    found = merging.merged(old, new[::-1], key_of=key_of, same_answer=same_answer, volatile_of=lambda _: ())

    assert list(found) == old


def answers_to(command: str, exchanges: Sequence[Exchange]) -> list[str]:
    answers = [one.response for one in exchanges if json.loads(one.request.body)["command"].startswith(command)]
    return [json.loads(answer.content)["stdout"] for answer in answers if answer is not None]
